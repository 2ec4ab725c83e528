//! The table of docs/post-quantum.md, "which tool verifies what": every tool over a token of every kind of key.
//!
//! The document must say what the tools said. `ATTESTAMP_WRITE_TABLES=1 cargo test --test pq_table` writes the block anew.
//! Sizes may differ by a few octets (ECDSA signatures are of no fixed length) and are compared so.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::parameter_sets::POST_QUANTUM;
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::stamped::{DATA, Stamped};
use attestamp_interop_tests::tools::OPENSSL;
use attestamp_interop_tests::verifiers::Verdict;
use attestamp_interop_tests::{bouncy_castle, modern_openssl, nested, python_cryptography, reply};

const START: &str = "<!-- table: verifiers -->\n";
const END: &str = "<!-- end of table -->";
const HEAD: &str = "\
| TSU key | OpenSSL 3.0 `ts -verify` | OpenSSL 3.5 `ts -verify` | OpenSSL 3.5 `cms -verify` | BouncyCastle 1.80 | \
Python `cryptography`, raw signature | `attestamp verify` | octets of a reply with certificates | and without |
|---|---|---|---|---|---|---|---:|---:|
";
const FOOT: &str = "
`yes` and `no` say whether the tool verifies such a token. Of the nested one, `outer` says that the tool verifies the
classical token and takes no notice of the one inside, `both` that it verifies the inner one too: `attestamp verify` in one
go, the others once the inner token is taken out. Sizes differ by a few octets from reply to reply, because an ECDSA
signature has no fixed length, and with the names in the certificates.
";
/// How far a size may be from the document's.
const OCTETS_APART: usize = 24;

/// A line of the table.
struct Row {
    key: String,
    stamped: Stamped,
    /// The token inside, as a timestamp of its own.
    inner: Option<Stamped>,
    octets: [usize; 2],
}

fn rows(folder: &DataFolder) -> Result<(Authority, Vec<Row>)> {
    let classical = ["p-256", "rsa-3072", "ed25519"];
    let kinds = classical.iter().map(|name| (*name, "/pki/root.pem"));
    let kinds: Vec<_> = kinds.chain(POST_QUANTUM.iter().map(|set| (set.name, "/pki/pq-root.pem"))).collect();
    for (name, _) in &kinds {
        folder.run(&["tsu", "new", &format!("on-{name}"), "--algorithm", name])?.succeeded()?;
    }
    nested::configure(folder)?;
    let authority = folder.serve()?;
    let mut rows = Vec::new();
    for (name, root) in kinds {
        let tsu = format!("on-{name}");
        let stamped = Stamped::by(folder, &authority, &tsu, root)?;
        rows.push(Row { key: name.to_owned(), octets: octets(&authority, &tsu)?, stamped, inner: None });
    }
    let stamped = Stamped::by(folder, &authority, "default", "/pki/root.pem")?;
    let certificate = authority.fetch("/tsa/pq/certificate.pem")?;
    let pq_root = authority.fetch("/pki/pq-root.pem")?;
    folder.write("pq-root.pem", &pq_root)?;
    let inner = nested::inner_stamped(&stamped, certificate, pq_root)?;
    let key = "p-256 with ml-dsa-65 nested".to_owned();
    rows.push(Row { key, octets: octets(&authority, "default")?, stamped, inner: Some(inner) });
    Ok((authority, rows))
}

/// Length of a TimeStampResp with certificates and without.
fn octets(authority: &Authority, tsu: &str) -> Result<[usize; 2]> {
    let path = format!("/tsa/{tsu}");
    let without = Request::of(DATA)?;
    let with = Request { cert_req: attestamp_interop_tests::request::cert_req(), ..without.clone() };
    let length = |request: Request| -> Result<usize> {
        Ok(reply::body(&authority.post(&path, &request.encoded())?)?.len())
    };
    Ok([length(with)?, length(without)?])
}

/// What stands in the table: of a token, whether it was accepted; of one in another, which of the two were.
fn cell(outer: &Verdict, inner: Option<&Verdict>) -> Result<&'static str> {
    Ok(match (outer, inner) {
        (Verdict::Accepted, None) => "yes",
        (Verdict::Accepted, Some(Verdict::Accepted)) => "both",
        (Verdict::Accepted, Some(Verdict::Refused(_) | Verdict::Unsupported(_))) => "outer",
        (Verdict::Refused(_) | Verdict::Unsupported(_), None) => "no",
        (_, Some(_)) => bail!("the outer token is refused: {outer:?}"),
    })
}

/// The verdicts of a verifier on all tokens, in the order of the rows.
fn column(rows: &[Row], judge: impl Fn(&[&Stamped]) -> Result<Vec<Verdict>>) -> Result<Vec<&'static str>> {
    let outer: Vec<_> = rows.iter().map(|row| &row.stamped).collect();
    let inner: Vec<_> = rows.iter().filter_map(|row| row.inner.as_ref()).collect();
    let outer = judge(&outer)?;
    let mut inner = judge(&inner)?.into_iter();
    rows.iter()
        .zip(&outer)
        .map(|(row, verdict)| cell(verdict, row.inner.as_ref().and_then(|_| inner.next()).as_ref()))
        .collect()
}

/// Our own verifier looks inside by itself.
fn own(row: &Row) -> Result<&'static str> {
    let Some(_) = row.inner else { return cell(&row.stamped.own_verdict(&[])?, None) };
    let verdict = row.stamped.own_verdict(&["--ca", "pq-root.pem", "--require-post-quantum"])?;
    cell(&verdict, Some(&verdict))
}

fn table(rows: &[Row]) -> Result<String> {
    let one_by_one = |judge: &dyn Fn(&Stamped) -> Result<Verdict>| {
        column(rows, |timestamps| timestamps.iter().map(|stamped| judge(stamped)).collect())
    };
    let modern = modern_openssl::tool()?;
    let columns = [
        one_by_one(&|stamped| modern_openssl::ts_verdict(OPENSSL, stamped))?,
        one_by_one(&|stamped| modern_openssl::ts_verdict(modern, stamped))?,
        one_by_one(&modern_openssl::cms_verdict)?,
        column(rows, bouncy_castle::verdicts)?,
        column(rows, python_cryptography::verdicts)?,
        rows.iter().map(own).collect::<Result<_>>()?,
    ];
    let mut table = HEAD.to_owned();
    let mut columns = columns.map(Vec::into_iter);
    for row in rows {
        write!(table, "| {} |", row.key)?;
        for column in &mut columns {
            write!(table, " {} |", column.next().context("a verdict for each row")?)?;
        }
        writeln!(table, " {} | {} |", row.octets[0], row.octets[1])?;
    }
    table.push_str(FOOT);
    Ok(table)
}

/// Whether two tables say the same, but for a few octets.
fn agree(written: &str, measured: &str) -> bool {
    let cells = |text: &str| -> Vec<String> { text.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let (written, measured) = (cells(written), cells(measured));
    let same = |(a, b): (&String, &String)| match (a.parse::<usize>(), b.parse::<usize>()) {
        (Ok(a), Ok(b)) => a.abs_diff(b) <= OCTETS_APART,
        _ => a == b,
    };
    written.len() == measured.len() && written.iter().zip(&measured).all(same)
}

#[test]
fn the_document_says_what_each_tool_says() -> Result<()> {
    let folder = DataFolder::initialised_with(&["--tsu", "default:p-256", "--tsu", "pq:ml-dsa-65"])?;
    let (_authority, rows) = rows(&folder)?;
    let measured = table(&rows)?;

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/post-quantum.md");
    let document = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = document.split_once(START).context("no start of the table")?;
    let (written, after) = rest.split_once(END).context("no end of the table")?;
    if agree(written, &measured) {
        return Ok(());
    }
    if std::env::var_os("ATTESTAMP_WRITE_TABLES").is_some() {
        std::fs::write(&path, [before, START, &measured, END, after].concat())?;
        return Ok(());
    }
    bail!(
        "docs/post-quantum.md and the tools differ; ATTESTAMP_WRITE_TABLES=1 writes the table.\nmeasured:\n{measured}\n\
         written:\n{written}"
    )
}

#[test]
fn tables_that_differ_in_a_verdict_or_by_many_octets_do_not_agree() {
    let table = "| p-256 | yes | 930 |\n";
    assert!(agree(table, "| p-256 | yes | 933 |\n"));
    assert!(!agree(table, "| p-256 | no | 930 |\n"));
    assert!(!agree(table, "| p-256 | yes | 1030 |\n"));
    assert!(!agree(table, "| p-256 | yes | 930 |\n| rsa | yes | 1 |\n"));
}
