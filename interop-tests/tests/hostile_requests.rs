//! Hostile requests over HTTP, one after the other on connections that stay open: each is refused, the good one after it is
//! served, and memory stays flat. What each is refused for is held in `tsa/src/request/hostile.rs`, row by row.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::der::{self, tlv};
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::{Request, SHA_256, imprint, integer};

/// Rounds over all rows; the first brings the allocator to its size.
const ROUNDS: u32 = 20;
/// What those after the first may add, in KiB, all together: some 1600 requests of up to 16 KiB each.
const KIBIBYTES: u64 = 8 << 10;

fn nested(depth: usize) -> Vec<u8> {
    // From the inside out, with the shortest lengths.
    (0..depth).fold(Vec::new(), |inner, _| tlv(der::SEQUENCE, &[&inner]))
}

fn extensions(number: u32) -> Vec<u8> {
    let members: Vec<Vec<u8>> = (0..number)
        .map(|number| {
            let [high, low] =
                [u8::try_from(number >> 7 & 0x7F), u8::try_from(number & 0x7F)].map(Result::unwrap);
            tlv(der::SEQUENCE, &[&[0x06, 0x04, 0x2A, 0x03, 0x81 | high, low], &tlv(der::OCTET_STRING, &[])])
        })
        .collect();
    tlv(der::CONTEXT_0, &members.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn policy(content: &[u8]) -> Vec<u8> {
    tlv(der::OBJECT_IDENTIFIER, &[content])
}

/// What is wrong, and the request.
fn rows() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let good = Request::of(b"hostile")?;
    let whole = good.encoded();
    let with_imprint = |parameters: &[u8], digest: &[u8]| -> Result<Vec<u8>> {
        Ok(Request { message_imprint: imprint(SHA_256, parameters, digest)?, ..good.clone() }.encoded())
    };
    let null = tlv(der::NULL, &[]);
    let with = |change: fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        request.encoded()
    };
    Ok(vec![
        ("one octet", vec![0x30]),
        ("an indefinite length", vec![0x30, 0x80]),
        ("a length of 4 GiB", vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("a length beyond the body", vec![0x30, 0x10, 0x02, 0x01, 0x01]),
        ("a length of nine octets", [&[0x30, 0x89][..], &[0; 8], &[1, 0]].concat()),
        ("a high tag", vec![0x3F, 0x81, 0x01, 0x00]),
        ("an octet after it", [&whole[..], &[0]].concat()),
        ("two requests", [&whole[..], &whole[..]].concat()),
        ("half of it", whole.iter().copied().take(whole.len() / 2).collect()),
        ("4000 levels", with_imprint(&nested(4000), &[0; 32])?),
        ("500 extensions", Request { extensions: extensions(500), ..good.clone() }.encoded()),
        (
            "an extension twice",
            Request { extensions: [extensions(1), extensions(1)].concat(), ..good.clone() }.encoded(),
        ),
        ("an identifier of 15 KB", Request { policy: policy(&[0x2A; 15_000]), ..good.clone() }.encoded()),
        (
            "an arc above 2^64",
            with(|request| request.policy = policy(&[[0x2A, 0x84].as_slice(), &[0x80; 17], &[0]].concat())),
        ),
        ("an identifier that goes on", with(|request| request.policy = policy(&[0x2A, 0x83]))),
        ("an arc that begins with 80", with(|request| request.policy = policy(&[0x2A, 0x80, 0x01]))),
        ("a digest of no octet", with_imprint(&null, &[])?),
        ("a digest of one octet", with_imprint(&null, &[0])?),
        ("a digest of 31 octets", with_imprint(&null, &[0; 31])?),
        ("a digest of 33 octets", with_imprint(&null, &[0; 33])?),
        ("a digest of 64 octets", with_imprint(&null, &[0; 64])?),
        ("a digest of 15 KB", with_imprint(&null, &[0; 15_000])?),
        ("parameters of the hash", with_imprint(&integer(&[5]), &[0; 32])?),
        ("version 0", with(|request| request.version = integer(&[0]))),
        ("version -1", with(|request| request.version = integer(&[0xFF]))),
        ("version 2^64", with(|request| request.version = integer(&[1, 0, 0, 0, 0, 0, 0, 0, 0]))),
        ("a nonce of 15 KB", with(|request| request.nonce = integer(&[0x11; 15_000]))),
        ("an empty nonce", with(|request| request.nonce = integer(&[]))),
        ("a nonce that is longer than it need be", with(|request| request.nonce = integer(&[0, 1]))),
        ("BOOLEAN 01", with(|request| request.cert_req = tlv(der::BOOLEAN, &[&[0x01]]))),
        ("BOOLEAN of two octets", with(|request| request.cert_req = tlv(der::BOOLEAN, &[&[0xFF, 0xFF]]))),
        ("the nonce twice", with(|request| request.nonce = [integer(&[1]), integer(&[1])].concat())),
        (
            "the nonce before the policy",
            with(|request| request.policy = [integer(&[1]), policy(&[0x2A, 3])].concat()),
        ),
    ])
}

#[test]
fn each_is_refused_the_next_good_one_is_served_and_memory_stays_flat() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let mut connection = authority.connect()?;
    let good = Request::of(b"good")?.encoded();
    let rows = rows()?;
    let mut after_first = 0;
    for round in 0..ROUNDS {
        for (what, bytes) in &rows {
            let refused = connection.post("/tsa", bytes).with_context(|| (*what).to_owned())?;
            // PKIStatus rejection: a reply as RFC 3161 has it, and no token in it.
            ensure!(reply::body(&refused).is_ok(), "{what}: HTTP {}", refused.status);
            ensure!(refused.body.len() < 300 && reply::granted(&refused).is_err(), "{what} was granted");
            reply::granted(&connection.post("/tsa", &good)?)
                .with_context(|| format!("the good one after {what}"))?;
        }
        if round == 0 {
            after_first = authority.resident_kibibytes()?;
        }
    }
    let last = authority.resident_kibibytes()?;
    ensure!(
        last <= after_first + KIBIBYTES,
        "{after_first} KiB after the first round, {last} after the last"
    );
    Ok(())
}
