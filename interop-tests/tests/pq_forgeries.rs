//! Post-quantum tokens with one thing wrong each: who refuses them, and that `attestamp verify` names the rule.
//!
//! They are made by a CA and TSU of the tests' own, with OpenSSL's keys and signatures, so that nothing else is wrong.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::forgery::{Forger, Forgery, Hash, Signing};
use attestamp_interop_tests::stamped::Stamped;
use attestamp_interop_tests::{bouncy_castle, der, modern_openssl};

/// What `attestamp verify` says where the signature is not what it should be (C3).
const NOT_PURE: &str = "does not verify in pure mode with an empty context";

/// A forged token, and what is said of it.
struct Case {
    stamped: Stamped,
    /// Words of `attestamp verify`; empty where it accepts.
    own: &'static str,
    /// Whether `openssl cms -verify` refuses.
    openssl_refuses: bool,
    /// Whether BouncyCastle refuses.
    bouncy_castle_refuses: bool,
}

fn check(cases: &[Case]) -> Result<()> {
    let stamped: Vec<&Stamped> = cases.iter().map(|case| &case.stamped).collect();
    let bouncy_castle = bouncy_castle::verdicts(&stamped)?;
    let mut all = String::new();
    let mut wrong = 0;
    for (case, bouncy_castle) in cases.iter().zip(bouncy_castle) {
        let openssl = modern_openssl::cms_verdict(&case.stamped)?;
        let own = case.stamped.own_verdict(&[])?;
        let as_expected = openssl.refused().is_ok() == case.openssl_refuses
            && bouncy_castle.refused().is_ok() == case.bouncy_castle_refuses
            && match own.refused() {
                Ok(sentence) => !case.own.is_empty() && sentence.contains(case.own),
                Err(_) => case.own.is_empty(),
            };
        wrong += usize::from(!as_expected);
        all.push_str(&format!(
            "{} {}\n  attestamp verify: {own:?}\n  openssl cms: {openssl:?}\n  BouncyCastle: {bouncy_castle:?}\n",
            if as_expected { "as expected:" } else { "NOT AS EXPECTED:" },
            case.stamped.name(),
        ));
    }
    eprintln!("{all}");
    ensure!(wrong == 0, "{wrong} of {} cases are not as expected:\n{all}", cases.len());
    Ok(())
}

/// tsu, arc
fn cases(forger: &Forger, name: &str, arc: u8, hash_arc: u8) -> Result<Vec<Case>> {
    let right = Forgery::none(arc);
    let make = |what: &str, forgery: Forgery| {
        forger.make(&format!("{name}-{what}"), &forgery).context(what.to_owned())
    };
    let refused_by_all = |stamped: Stamped, own: &'static str| Case {
        stamped,
        own,
        openssl_refuses: true,
        bouncy_castle_refuses: true,
    };
    Ok(vec![
        Case {
            stamped: make("nothing-wrong", right.clone())?,
            own: "",
            openssl_refuses: false,
            bouncy_castle_refuses: false,
        },
        refused_by_all(make("tampered", Forgery { signing: Signing::Tampered, ..right.clone() })?, NOT_PURE),
        refused_by_all(
            make("context", Forgery { signing: Signing::Context("attestamp"), ..right.clone() })?,
            NOT_PURE,
        ),
        refused_by_all(
            make(
                "pre-hash-under-the-pure-identifier",
                Forgery { signing: Signing::PreHashSha512, ..right.clone() },
            )?,
            NOT_PURE,
        ),
        refused_by_all(
            make(
                "pre-hash",
                Forgery { signing: Signing::PreHashSha512, signature_arc: hash_arc, ..right.clone() },
            )?,
            "is a pre-hash form",
        ),
        refused_by_all(
            make(
                "null-parameters",
                Forgery { signature_parameters: der::tlv(der::NULL, &[]), ..right.clone() },
            )?,
            "parameters of",
        ),
        refused_by_all(
            make("signed-as-context-0", Forgery { signed_tag: der::CONTEXT_0, ..right })?,
            NOT_PURE,
        ),
    ])
}

#[test]
fn what_is_forged_is_refused() -> Result<()> {
    let folder = DataFolder::empty()?;
    let mut all = Vec::new();
    for (algorithm, arc, hash_arc) in
        [("ML-DSA-44", 17, 32), ("ML-DSA-65", 18, 33), ("ML-DSA-87", 19, 34), ("SLH-DSA-SHA2-128f", 21, 36)]
    {
        let forger = Forger::create(&folder, algorithm)?;
        all.extend(cases(&forger, algorithm, arc, hash_arc)?);
        for digest in [Hash::Sha256, Hash::Sha384] {
            let stamped =
                forger.make(&format!("{algorithm}-{digest:?}"), &Forgery { digest, ..Forgery::none(arc) })?;
            // RFC 9882 §3.3, table 1 (C2).
            let weak = match (algorithm, digest) {
                ("ML-DSA-65", Hash::Sha256) | ("ML-DSA-87", _) => true,
                _ => false,
            };
            all.push(Case {
                stamped,
                own: if weak { "too weak beside" } else { "" },
                openssl_refuses: false,
                bouncy_castle_refuses: false,
            });
        }
    }
    check(&all)
}
