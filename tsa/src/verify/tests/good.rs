//! Tokens that hold: those of `openssl ts -reply` in its forms.

use super::openssl::{DATA, OpenSslTsa, P256, P384, RSA, Setup};
use crate::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, TokenInvalid, UnverifiedToken, VerifiedToken, verify_token,
};
use attestamp_certs::chain::ChainError;
use attestamp_certs::{HashAlgorithm, SignatureAlgorithm, TrustAnchors, UnixTime};

fn expectations(anchors: &TrustAnchors) -> Expectations<'_> {
    Expectations {
        imprint: ExpectedImprint::Data(DATA),
        nonce: ExpectedNonce::Any,
        policy: None,
        anchors,
        certificates: &[],
        crls: &[],
        at: None,
    }
}

fn verified(setup: &Setup, query_options: &[&str]) -> VerifiedToken {
    let tsa = OpenSslTsa::new(setup);
    let reply = tsa.reply(query_options);
    verify_token(&reply, &expectations(&tsa.anchors())).unwrap()
}

#[test]
fn every_kind_of_key_and_both_kinds_of_signing_certificate() {
    let cases = [
        (P256, "ess_cert_id_alg = sha1\n", SignatureAlgorithm::EcdsaP256Sha256),
        (P256, "ess_cert_id_alg = sha512\n", SignatureAlgorithm::EcdsaP256Sha256),
        (P384, "signer_digest = sha384\n", SignatureAlgorithm::EcdsaP384Sha384),
        (RSA, "ess_cert_id_alg = sha256\n", SignatureAlgorithm::RsaPkcs1Sha256),
        (RSA, "signer_digest = sha512\ness_cert_id_alg = sha1\n", SignatureAlgorithm::RsaPkcs1Sha512),
    ];
    for (key, tsa_options, algorithm) in cases {
        let token = verified(&Setup { key, tsa_options, ..Setup::default() }, &["-cert"]);
        assert_eq!(token.signature_algorithm, algorithm, "{tsa_options}");
        assert_eq!(token.certificate.subject(), "CN=Test tsu,O=Test");
        assert_eq!(token.chain.intermediates, 1);
    }
}

#[test]
fn accuracy_ordering_name_and_fraction_are_read() {
    let tsa_options = "accuracy = secs:1, millisecs:500, microsecs:100\nordering = yes\ntsa_name = yes\nclock_precision_digits = 6\n";
    let token = verified(&Setup { tsa_options, ..Setup::default() }, &["-cert", "-sha512"]);
    assert_eq!(token.accuracy.map(|accuracy| accuracy.total_microseconds()), Some(1_500_100));
    assert!(token.ordering);
    assert!(token.names_tsa);
    assert_eq!(token.hash, HashAlgorithm::Sha512);
    assert_eq!(token.policy.to_string(), "1.2.3.4.1");
    assert_eq!(token.serial, [0x10, 0x01]);
    assert!(token.nonce.is_some());
}

#[test]
fn identifiers_of_the_whole_chain_are_read() {
    let tsa_options = "ess_cert_id_chain = yes\ness_cert_id_alg = sha256\n";
    verified(&Setup { tsa_options, ..Setup::default() }, &["-cert"]);
    let tsa_options = "ess_cert_id_chain = yes\ness_cert_id_alg = sha1\n";
    verified(&Setup { tsa_options, ..Setup::default() }, &["-cert"]);
}

#[test]
fn the_policy_and_the_absence_of_a_nonce_are_compared() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&["-cert", "-no_nonce", "-tspolicy", "1.2.3.4.5"]);
    let anchors = tsa.anchors();
    let (asked, other) = ("1.2.3.4.5".parse().unwrap(), "1.2.3.4.1".parse().unwrap());
    let expected =
        Expectations { nonce: ExpectedNonce::Absent, policy: Some(&asked), ..expectations(&anchors) };
    assert_eq!(verify_token(&reply, &expected).unwrap().policy, asked);
    let wrong = Expectations { policy: Some(&other), ..expected };
    assert!(matches!(verify_token(&reply, &wrong), Err(TokenInvalid::Policy)));
    let wrong = Expectations { nonce: ExpectedNonce::Value(&[1]), ..expected };
    assert!(matches!(verify_token(&reply, &wrong), Err(TokenInvalid::Nonce)));
}

#[test]
fn a_token_without_certificates_needs_them_given() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&[]);
    let (anchors, chain) = (tsa.anchors(), tsa.chain());
    let error = verify_token(&reply, &expectations(&anchors)).unwrap_err();
    assert!(matches!(error, TokenInvalid::SignerCertificateMissing), "{error}");
    let expected = Expectations { certificates: &chain, ..expectations(&anchors) };
    verify_token(&reply, &expected).unwrap();
    // The same certificates in the token and given are no ambiguity.
    verify_token(&tsa.reply(&["-cert"]), &expected).unwrap();
}

#[test]
fn a_bare_token_is_read_as_its_response_is() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&["-cert"]);
    let anchors = tsa.anchors();
    let token = crate::TimeStampResp::decode(&reply).unwrap().token.unwrap();
    let token = verify_token(token, &expectations(&anchors)).unwrap();
    let digest = HashAlgorithm::Sha256.digest(DATA);
    for imprint in [
        ExpectedImprint::Digest(digest.as_ref()),
        ExpectedImprint::DigestOf(HashAlgorithm::Sha256, digest.as_ref()),
    ] {
        let again = verify_token(&reply, &Expectations { imprint, ..expectations(&anchors) }).unwrap();
        assert_eq!(again.gen_time, token.gen_time);
    }
    let other = Expectations { imprint: ExpectedImprint::Data(b"other data"), ..expectations(&anchors) };
    let error = verify_token(&reply, &other).unwrap_err();
    assert_eq!(error.to_string(), "the token is for other data: the hash values differ");
    let other_hash = Expectations {
        imprint: ExpectedImprint::DigestOf(HashAlgorithm::Sha3_256, digest.as_ref()),
        ..other
    };
    let error = verify_token(&reply, &other_hash).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the token is for other data: it holds a sha256 hash, and sha3-256 was expected"
    );
}

/// The certificates live for 30 days: a token verifies at its own time for ever, and on day 31 no longer.
#[test]
fn the_chain_is_verified_at_gen_time_unless_another_instant_is_given() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&["-cert"]);
    let anchors = tsa.anchors();
    let gen_time = UnverifiedToken::parse(&reply).unwrap().claimed_gen_time();
    let after = |days: u64| {
        let seconds = gen_time.unix_seconds() + days * 86_400;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    };
    let token = verify_token(&reply, &expectations(&anchors)).unwrap();
    assert_eq!(token.chain_verified_at, gen_time.unix_time());
    verify_token(&reply, &Expectations { at: after(29), ..expectations(&anchors) }).unwrap();
    let error = verify_token(&reply, &Expectations { at: after(31), ..expectations(&anchors) }).unwrap_err();
    assert!(matches!(error, TokenInvalid::Chain { source: ChainError::Expired { .. }, .. }), "{error}");
}

#[test]
fn a_rejection_is_named() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&["-cert", "-tspolicy", "1.2.3.4.9"]);
    let error = verify_token(&reply, &expectations(&tsa.anchors())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the response carries no token: the request was rejected (unacceptedPolicy)"
    );
}

/// D7 needs the key that signed, and has no root of a TSA.
#[test]
fn the_signature_alone_says_which_certificate_signed_and_needs_no_root() {
    let tsa = OpenSslTsa::new(&Setup::default());
    let reply = tsa.reply(&["-cert"]);
    let signed = UnverifiedToken::parse(&reply).unwrap().verify_signature(&[]).unwrap();
    let verified = verify_token(&reply, &expectations(&tsa.anchors())).unwrap();
    assert_eq!(signed.certificate, verified.certificate);
    assert_eq!((signed.gen_time, &signed.serial), (verified.gen_time, &verified.serial));
    assert_eq!(signed.hashed_message, HashAlgorithm::Sha256.digest(DATA).as_ref());

    let without = tsa.reply(&[]);
    let without = UnverifiedToken::parse(&without).unwrap();
    let error = without.verify_signature(&[]).unwrap_err();
    assert!(matches!(error, TokenInvalid::SignerCertificateMissing), "{error}");
    assert_eq!(without.verify_signature(&tsa.chain()).unwrap().certificate, signed.certificate);
}
