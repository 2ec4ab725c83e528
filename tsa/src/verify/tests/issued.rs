//! Tokens of our own issuing side, in every form that a profile can give them.

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm};
use rcgen::{KeyPair, SigningKey as _};

use super::forgery::{DATA, Forgery, expectations, new_root, tsu_certificate};
use crate::verify::{Expectations, ExpectedNonce, TokenInvalid, VerifiedToken, verify_token};
use crate::{
    Accuracy, EssHash, Etsi, GenTimePrecision, Profile, ProfileConfig, Query, Serial, SerialPrefix,
    TimeStampReq, TimeStampResp, TokenTemplate, UnsignedToken, UtcInstant,
};

const RANDOM: &[u8] = &[0x80, 1, 2, 3];

fn issue(
    config: ProfileConfig,
    key: KeyPair,
    algorithm: SignatureAlgorithm,
) -> Result<VerifiedToken, TokenInvalid> {
    let root = new_root();
    let certificate = CertificateDer::from(tsu_certificate(&root, &key, |_| {}));
    let profile = Profile::new(config).unwrap();
    let template = TokenTemplate::new(&profile, &[certificate, root.der().clone()], algorithm).unwrap();
    let query = Query::new(HashAlgorithm::Sha256, HashAlgorithm::Sha256.digest(DATA).as_ref()).unwrap();
    let query = query.with_nonce(RANDOM);
    let der = query.to_der();
    let now = UtcInstant::new(1_770_091_506, 120_000_000).unwrap();
    let grant = profile.decide(&TimeStampReq::decode(&der).unwrap(), now).unwrap();
    let serial = Serial::new(SerialPrefix::from_random([0x41; 6]), 7, [0xee; 6]);
    let unsigned = UnsignedToken::build(&grant, &template, serial);
    let signature = key.sign(unsigned.to_be_signed()).unwrap();
    let response = TimeStampResp::granted(unsigned.attach(&signature));
    let anchors = attestamp_certs::TrustAnchors::from_certificates(vec![root.der().clone()]).unwrap();
    let nonce = ExpectedNonce::Value(query.nonce().unwrap());
    verify_token(&response, &Expectations { nonce, ..expectations(&anchors) })
}

fn plain() -> ProfileConfig {
    ProfileConfig::new("1.2.3.4".parse().unwrap())
}

#[test]
fn tokens_of_every_key_hold() {
    let cases: [(&'static rcgen::SignatureAlgorithm, SignatureAlgorithm); 3] = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, SignatureAlgorithm::EcdsaP256Sha256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, SignatureAlgorithm::EcdsaP384Sha384),
        (&rcgen::PKCS_ED25519, SignatureAlgorithm::Ed25519),
    ];
    for (kind, algorithm) in cases {
        let token = issue(plain(), KeyPair::generate_for(kind).unwrap(), algorithm).unwrap();
        assert_eq!(token.signature_algorithm, algorithm);
        assert_eq!(token.gen_time, UtcInstant::new(1_770_091_506, 0).unwrap());
        assert_eq!(token.accuracy, Some(Accuracy::ONE_SECOND));
        assert_eq!(token.policy.to_string(), "1.2.3.4");
        assert_eq!(token.serial.len(), Serial::LENGTH);
    }
}

#[test]
fn tokens_of_every_profile_hold() {
    let verified =
        |config| issue(config, KeyPair::generate().unwrap(), SignatureAlgorithm::EcdsaP256Sha256).unwrap();
    let named = verified(ProfileConfig { include_tsa_name: true, ..plain() });
    assert!(named.names_tsa);
    for ess in [EssHash::V2Sha384, EssHash::V2Sha512, EssHash::CompatibilityV1Sha1] {
        verified(ProfileConfig { ess, ..plain() });
    }
    verified(ProfileConfig {
        etsi: Etsi::Qualified,
        ..ProfileConfig::new("0.4.0.2023.1.1".parse().unwrap())
    });
    let fine = verified(ProfileConfig { gen_time_precision: GenTimePrecision::Millis, ..plain() });
    assert_eq!(fine.gen_time.nanoseconds(), 120_000_000);
}

#[test]
fn another_tsas_root_does_not_vouch_for_them() {
    let forgery = Forgery::new();
    let stranger = Forgery::new();
    let error = verify_token(&forgery.token(), &expectations(&stranger.anchors)).unwrap_err();
    assert!(matches!(error, TokenInvalid::Chain { .. }), "{error}");
}
