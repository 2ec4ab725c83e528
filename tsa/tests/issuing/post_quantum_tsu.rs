//! A post-quantum TSU with its key in memory: root ML-DSA-87, sub-CA ML-DSA-65, and the TSU's key of any set.
//!
//! Keys come from seeds and signatures are deterministic, so that every run makes the same token.

use std::time::Duration;

use attestamp_certs::{
    CertificateDer, CertificateSerial, Issuer, MlDsa, RootParameters, SignatureAlgorithm, SlhDsa, Subject,
    SubjectFields, TimestampingCaParameters, TsuParameters, UnixTime, UnsignedCertificate, Validity,
};
use attestamp_tsa::{
    Profile, ProfileConfig, Query, Serial, SerialPrefix, TimeStampReq, TokenTemplate, UnsignedToken,
    UtcInstant,
};
use ml_dsa::{B32, KeyExport as _, Keypair as _};

/// 2026-01-01T00:00:00Z.
const BEGIN_UNIX_SECONDS: u64 = 1_767_225_600;
const YEAR_SECONDS: u64 = 365 * 86_400;
/// 2026-11-22T12:47:03Z.
const NOW_UNIX_SECONDS: u64 = 1_795_351_623;

type Signer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A key that signs as certificates and tokens want it: pure, with an empty context.
pub(crate) struct Key {
    pub(crate) spki_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signer: Signer,
}

impl Key {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most sets are not tested here, and a further one says so"
    )]
    fn new(algorithm: SignatureAlgorithm, octet: u8) -> Self {
        let (public, signer) = match algorithm {
            SignatureAlgorithm::MlDsa(MlDsa::MlDsa44) => ml_dsa_key::<ml_dsa::MlDsa44>(octet),
            SignatureAlgorithm::MlDsa(MlDsa::MlDsa65) => ml_dsa_key::<ml_dsa::MlDsa65>(octet),
            SignatureAlgorithm::MlDsa(MlDsa::MlDsa87) => ml_dsa_key::<ml_dsa::MlDsa87>(octet),
            SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_128f) => slh_dsa_key::<slh_dsa::Sha2_128f>(octet),
            SignatureAlgorithm::SlhDsa(SlhDsa::Shake128f) => slh_dsa_key::<slh_dsa::Shake128f>(octet),
            other => panic!("{} is not tested here", other.name()),
        };
        let spki_der = spki(algorithm.key_algorithm_identifier_der(), &public);
        Self { spki_der, algorithm, signer }
    }
}

type KeyParts = (Vec<u8>, Signer);

fn ml_dsa_key<P: ml_dsa::MlDsaParams + 'static>(octet: u8) -> KeyParts {
    let key = ml_dsa::SigningKey::<P>::from_seed(&B32::from([octet; 32]));
    let public = key.verifying_key().to_bytes().to_vec();
    let signer = move |message: &[u8]| {
        let signature = key.expanded_key().sign_deterministic(message, &[]).unwrap();
        signature.encode().to_vec()
    };
    (public, Box::new(signer))
}

/// For the sets with seeds of 16 octets.
fn slh_dsa_key<P: slh_dsa::ParameterSet + 'static>(octet: u8) -> KeyParts {
    let [sk_seed, sk_prf, pk_seed] = [octet, octet + 1, octet + 2].map(|octet| [octet; 16]);
    let key = slh_dsa::SigningKey::<P>::slh_keygen_internal(&sk_seed, &sk_prf, &pk_seed);
    let public = key.verifying_key().to_vec();
    let signer = move |message: &[u8]| key.try_sign_with_context(message, &[], None).unwrap().to_vec();
    (public, Box::new(signer))
}

fn spki(identifier: &[u8], key: &[u8]) -> Vec<u8> {
    element(0x30, &[identifier, &element(0x03, &[&[0], key])])
}

/// A DER element with contents below 64 KiB.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header: &[u8] = match length {
        [0, short @ 0..0x80] => &[tag, short],
        [0, low] => &[tag, 0x81, low],
        [high, low] => &[tag, 0x82, high, low],
    };
    [header, &content].concat()
}

/// A TSU and its chain: leaf, sub-CA and root.
pub(crate) struct PostQuantumTsu {
    pub(crate) key: Key,
    pub(crate) chain: [CertificateDer<'static>; 3],
}

fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

fn validity(years: u64) -> Validity {
    Validity::new(at(BEGIN_UNIX_SECONDS), at(BEGIN_UNIX_SECONDS + years * YEAR_SECONDS)).unwrap()
}

fn subject(common_name: &str) -> Subject {
    Subject::new(SubjectFields {
        country: "FR",
        organization: "Test",
        organization_identifier: None,
        common_name,
    })
    .unwrap()
}

fn signed(unsigned: UnsignedCertificate, key: &Key) -> CertificateDer<'static> {
    let signature = (key.signer)(unsigned.to_be_signed());
    unsigned.attach(&signature).unwrap()
}

impl PostQuantumTsu {
    pub(crate) fn new(algorithm: SignatureAlgorithm) -> Self {
        let root_key = Key::new(SignatureAlgorithm::MlDsa(MlDsa::MlDsa87), 1);
        let ca_key = Key::new(SignatureAlgorithm::MlDsa(MlDsa::MlDsa65), 2);
        let key = Key::new(algorithm, 3);
        let root = UnsignedCertificate::root(RootParameters {
            subject: &subject("Root"),
            spki_der: &root_key.spki_der,
            signature_algorithm: root_key.algorithm,
            serial: &CertificateSerial::from_random([1; 16]),
            validity: validity(30),
        });
        let root = signed(root.unwrap(), &root_key);
        let ca = UnsignedCertificate::timestamping_ca(TimestampingCaParameters {
            issuer: &Issuer::from_certificate(&root).unwrap(),
            signature_algorithm: root_key.algorithm,
            subject: &subject("Sub"),
            spki_der: &ca_key.spki_der,
            serial: &CertificateSerial::from_random([2; 16]),
            validity: validity(20),
            issuer_crl_url: None,
            issuer_certificate_url: None,
        });
        let ca = signed(ca.unwrap(), &root_key);
        let tsu = UnsignedCertificate::tsu(TsuParameters {
            issuer: &Issuer::from_certificate(&ca).unwrap(),
            signature_algorithm: ca_key.algorithm,
            subject: &subject("TSU"),
            spki_der: &key.spki_der,
            serial: &CertificateSerial::from_random([3; 16]),
            validity: validity(5),
            private_key_usage_not_after: at(BEGIN_UNIX_SECONDS + YEAR_SECONDS),
            policies: &[],
            issuer_crl_url: None,
            issuer_certificate_url: None,
        });
        let tsu = signed(tsu.unwrap(), &ca_key);
        Self { key, chain: [tsu, ca, root] }
    }

    pub(crate) fn unsigned(&self, query: &Query) -> UnsignedToken {
        let profile = Profile::new(ProfileConfig::new("1.2.3.4".parse().unwrap())).unwrap();
        let template = TokenTemplate::new(&profile, &self.chain, self.key.algorithm).unwrap();
        let request = query.to_der();
        let now = UtcInstant::new(NOW_UNIX_SECONDS, 0).unwrap();
        let grant = profile.decide(&TimeStampReq::decode(&request).unwrap(), now).unwrap();
        let serial = Serial::new(SerialPrefix::from_random([0x41; 6]), 7, [0xee; 6]);
        UnsignedToken::build(&grant, &template, serial)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.key.signer)(message)
    }
}
