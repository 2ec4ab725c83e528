//! Post-quantum tokens with one thing wrong each: who refuses them, and that `attestamp verify` names the rule.
//!
//! They are made by a CA and TSU of the tests' own, with OpenSSL's keys and signatures, so that nothing else is wrong.
//! Absent parameters and the strength of the digest are rules that neither OpenSSL 3.5 nor BouncyCastle 1.80 enforces:
//! for these our verifier stands alone.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::forgery::certificate::CertificateFault;
use attestamp_interop_tests::forgery::{Forger, Forgery, Hash, Signing};
use attestamp_interop_tests::stamped::Stamped;
use attestamp_interop_tests::verifiers::Verdict;
use attestamp_interop_tests::{bouncy_castle, der, modern_openssl, python_cryptography};

/// What `attestamp verify` says where the signature is not what it should be (C3).
const NOT_PURE: &str = "does not verify in pure mode with an empty context";
/// Where parameters are not absent (C1).
const PARAMETERS: &str = "are not absent, as they must be";
/// Where the form is HashML-DSA or HashSLH-DSA (C4).
const PRE_HASH: &str = "is a pre-hash form";
/// Where the digest is weaker than the signature (C2).
const WEAK_DIGEST: &str = "which is too weak beside";

/// What OpenSSL, BouncyCastle and Python's cryptography must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Accept,
    Refuse,
    /// They are known not to look at it, and may learn to.
    DoNotLook,
}

impl Others {
    fn agree(self, verdict: &Verdict) -> bool {
        match self {
            Self::Accept => verdict.accepted().is_ok(),
            Self::Refuse => verdict.accepted().is_err(),
            Self::DoNotLook => true,
        }
    }
}

/// A forged token, and what is said of it.
struct Case {
    stamped: Stamped,
    /// Words of `attestamp verify`; empty where it accepts.
    own: &'static str,
    others: Others,
}

/// Asks everybody, and shows all that was said if anything of it is not as expected.
fn check(cases: &[Case]) -> Result<()> {
    let stamped: Vec<&Stamped> = cases.iter().map(|case| &case.stamped).collect();
    let bouncy_castle = bouncy_castle::verdicts(&stamped)?;
    let cryptography = python_cryptography::verdicts(&stamped)?;
    let mut wrong = Vec::new();
    for ((case, bouncy_castle), cryptography) in cases.iter().zip(bouncy_castle).zip(cryptography) {
        let openssl = modern_openssl::cms_verdict(&case.stamped)?;
        let own = case.stamped.own_verdict(&[])?;
        let named = match own.refused() {
            Ok(sentence) => !case.own.is_empty() && sentence.contains(case.own),
            Err(_) => case.own.is_empty(),
        };
        let all = format!(
            "{}\n  attestamp verify: {own:?}\n  openssl cms: {openssl:?}\n  BouncyCastle: {bouncy_castle:?}\n  \
             cryptography: {cryptography:?}\n",
            case.stamped.name()
        );
        // It has no SLH-DSA.
        let judged = !matches!(cryptography, Verdict::Unsupported(_));
        let all_agree = case.others.agree(&openssl)
            && case.others.agree(&bouncy_castle)
            && (!judged || case.others.agree(&cryptography));
        if !(named && all_agree) {
            wrong.push(all);
        }
    }
    ensure!(wrong.is_empty(), "not as expected:\n{}", wrong.concat());
    Ok(())
}

/// What is wrong with a token under a certificate that is right. `pre_hash_arc` is that of the pre-hash form.
fn forgeries(arc: u8, pre_hash_arc: u8) -> Vec<(&'static str, Forgery, &'static str, Others)> {
    let right = Forgery::none(arc);
    let signed = |signing| Forgery { signing, ..right.clone() };
    let null = der::tlv(der::NULL, &[]);
    vec![
        ("nothing-wrong", right.clone(), "", Others::Accept),
        ("tampered", signed(Signing::Tampered), NOT_PURE, Others::Refuse),
        ("context", signed(Signing::Context("attestamp")), NOT_PURE, Others::Refuse),
        ("pre-hash-called-pure", signed(Signing::PreHashSha512), NOT_PURE, Others::Refuse),
        (
            "pre-hash",
            Forgery { signature_arc: pre_hash_arc, ..signed(Signing::PreHashSha512) },
            PRE_HASH,
            Others::Refuse,
        ),
        (
            "null-parameters",
            Forgery { signature_parameters: null, ..right.clone() },
            PARAMETERS,
            Others::DoNotLook,
        ),
        // RFC 5652 §5.4: the SET OF is signed, not the [0] that stands in the SignerInfo.
        ("signed-as-context-0", Forgery { signed_tag: der::CONTEXT_0, ..right }, NOT_PURE, Others::Refuse),
    ]
}

#[test]
fn a_token_with_one_thing_wrong_is_refused_by_its_rule() -> Result<()> {
    let folder = DataFolder::empty()?;
    let mut cases = Vec::new();
    for (algorithm, arc, pre_hash_arc) in [("ML-DSA-65", 18, 33), ("SLH-DSA-SHA2-128f", 21, 36)] {
        let forger = Forger::create(&folder, algorithm)?;
        for (what, forgery, own, others) in forgeries(arc, pre_hash_arc) {
            let stamped = forger.make(&format!("{algorithm}-{what}"), &forgery).context(what)?;
            cases.push(Case { stamped, own, others });
        }
    }
    check(&cases)
}

#[test]
fn a_digest_weaker_than_the_signature_is_refused() -> Result<()> {
    let folder = DataFolder::empty()?;
    let mut cases = Vec::new();
    // RFC 9882 table 1 (C2).
    for (algorithm, arc, accepted) in [
        ("ML-DSA-44", 17, &[Hash::Sha256, Hash::Sha384, Hash::Sha512][..]),
        ("ML-DSA-65", 18, &[Hash::Sha384, Hash::Sha512]),
        ("ML-DSA-87", 19, &[Hash::Sha512]),
    ] {
        let forger = Forger::create(&folder, algorithm)?;
        for digest in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let forgery = Forgery { digest, ..Forgery::none(arc) };
            let stamped = forger.make(&format!("{algorithm}-{digest:?}"), &forgery)?;
            let strong = accepted.contains(&digest);
            let (own, others) = if strong { ("", Others::Accept) } else { (WEAK_DIGEST, Others::DoNotLook) };
            cases.push(Case { stamped, own, others });
        }
    }
    check(&cases)
}

#[test]
fn a_certificate_with_parameters_or_of_the_pre_hash_form_is_refused() -> Result<()> {
    let folder = DataFolder::empty()?;
    let forger = Forger::create(&folder, "ML-DSA-65")?;
    let mut cases = Vec::new();
    for (fault, own) in [
        (CertificateFault::KeyWithNull, PARAMETERS),
        (CertificateFault::SignatureWithNull, PARAMETERS),
        (CertificateFault::PreHashKey(33), PRE_HASH),
    ] {
        let stamped = forger.with_certificate(fault)?.make(&format!("{fault:?}"), &Forgery::none(18))?;
        cases.push(Case { stamped, own, others: Others::DoNotLook });
    }
    check(&cases)
}
