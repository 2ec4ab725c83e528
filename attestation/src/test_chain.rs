//! Attestation hierarchies for this crate's tests, the same at every run: one of P-384, one of ML-DSA.
//!
//! [`TestChain`] is made by the production code; [`Forgery`] signs any certificate at all with a key of it, for what the
//! production code would not build.

mod forgery;
mod keys;

use std::sync::LazyLock;
use std::time::Duration;

use attestamp_certs::{CertificateDer, CertificateSerial, MlDsa, Subject, SubjectFields, UnixTime, Validity};

use crate::{
    Assurance, AttestationClock, AttestationKeyParameters, AttestationParameters, Certificate, Claims, Date,
    DeviceParameters, DeviceRootParameters, EvidenceClaim, KeyClaims, KeyFlag, KeyFlags, KeyPolicy, Nonce,
    Platform, UnsignedCertificate,
};

pub(crate) use forgery::Forgery;
pub(crate) use keys::TestKey;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const YEAR: u64 = 365 * 86_400;

/// A root, a device and an attestation key, with the keys of all three and one to be attested.
pub(crate) struct TestChain {
    pub(crate) root_key: TestKey,
    pub(crate) device_key: TestKey,
    pub(crate) attestation_key: TestKey,
    /// The public half of what is attested.
    pub(crate) attested_key: TestKey,
    pub(crate) root: Certificate,
    pub(crate) device: Certificate,
    /// The attestation key's certificate.
    pub(crate) attester: Certificate,
}

impl TestChain {
    /// P-384 throughout; a P-256 key is attested.
    pub(crate) fn classical() -> Self {
        Self::of([TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(14)])
    }

    /// ML-DSA-87, ML-DSA-87, ML-DSA-65; the same P-256 key is attested.
    pub(crate) fn post_quantum() -> Self {
        Self::of([
            TestKey::ml_dsa(MlDsa::MlDsa87, 21),
            TestKey::ml_dsa(MlDsa::MlDsa87, 22),
            TestKey::ml_dsa(MlDsa::MlDsa65, 23),
            TestKey::p256(14),
        ])
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::classical(), Self::post_quantum()]
    }

    /// A hierarchy of these keys: root, device, attestation key, attested key.
    pub(crate) fn of([root_key, device_key, attestation_key, attested_key]: [TestKey; 4]) -> Self {
        let root = root("Device root", &root_key);
        let device = device(&root, &root_key, &device_key);
        let attester = attester(&device, &device_key, &attestation_key);
        Self { root_key, device_key, attestation_key, attested_key, root, device, attester }
    }

    /// The same keys, in a token of these names.
    pub(crate) fn of_token(mut self, platform: &Platform) -> Self {
        let unsigned = UnsignedCertificate::device(DeviceParameters {
            platform,
            ..device_parameters(&self.root, &self.root_key, &self.device_key)
        });
        self.device = finish(unsigned.unwrap(), &self.root_key);
        self.attester = attester(&self.device, &self.device_key, &self.attestation_key);
        self
    }

    /// The attestation of the attested key with these claims, valid for a year from [`NOW`] on.
    pub(crate) fn attest(&self, claims: &Claims) -> Certificate {
        finish(UnsignedCertificate::attestation(self.parameters(claims)).unwrap(), &self.attestation_key)
    }

    /// What a test may change before it builds.
    pub(crate) fn parameters<'a>(&'a self, claims: &'a Claims) -> AttestationParameters<'a> {
        AttestationParameters {
            issuer: &self.attester,
            signature_algorithm: self.attestation_key.algorithm,
            subject: static_subject(),
            spki_der: &self.attested_key.spki_der,
            serial: static_serial(),
            validity: years(1),
            claims,
        }
    }

    /// What stands above an attestation, without the root.
    pub(crate) fn chain(&self) -> Vec<Certificate> {
        vec![self.attester.clone(), self.device.clone()]
    }
}

pub(crate) fn root(common_name: &str, key: &TestKey) -> Certificate {
    let unsigned = UnsignedCertificate::device_root(DeviceRootParameters {
        subject: &subject(common_name),
        spki_der: &key.spki_der,
        signature_algorithm: key.algorithm,
        serial: &serial(1),
        validity: years(30),
    });
    finish(unsigned.unwrap(), key)
}

pub(crate) fn device(issuer: &Certificate, issuer_key: &TestKey, key: &TestKey) -> Certificate {
    let unsigned = UnsignedCertificate::device(device_parameters(issuer, issuer_key, key));
    finish(unsigned.unwrap(), issuer_key)
}

fn device_parameters<'a>(
    issuer: &'a Certificate,
    issuer_key: &TestKey,
    key: &'a TestKey,
) -> DeviceParameters<'a> {
    static PLATFORM: LazyLock<Platform> = LazyLock::new(platform);
    static SUBJECT: LazyLock<Subject> = LazyLock::new(|| subject("Device 0123456789abcdef"));
    static SERIAL: LazyLock<CertificateSerial> = LazyLock::new(|| serial(2));
    DeviceParameters {
        issuer,
        signature_algorithm: issuer_key.algorithm,
        subject: &SUBJECT,
        spki_der: &key.spki_der,
        serial: &SERIAL,
        validity: years(20),
        platform: &PLATFORM,
    }
}

pub(crate) fn attester(device: &Certificate, device_key: &TestKey, key: &TestKey) -> Certificate {
    let unsigned = UnsignedCertificate::attestation_key(AttestationKeyParameters {
        issuer: device,
        signature_algorithm: device_key.algorithm,
        subject: &subject("Attestation key"),
        spki_der: &key.spki_der,
        serial: &serial(3),
        validity: years(10),
    });
    finish(unsigned.unwrap(), device_key)
}

pub(crate) fn finish(unsigned: UnsignedCertificate, key: &TestKey) -> Certificate {
    let signature = key.sign(unsigned.to_be_signed());
    let der: CertificateDer<'_> = unsigned.attach(&signature).unwrap();
    Certificate::parse(&der).unwrap()
}

/// Claims of a key that an auditor accepts, with every field that a stored attestation has.
pub(crate) fn claims() -> Claims {
    Claims {
        assurance: Assurance::HostAsserted,
        attested_at: at(NOW),
        clock: AttestationClock::HostAssured,
        nonce: None,
        key: key_claims(),
        platform: platform(),
        policy: Some(KeyPolicy {
            purpose: "timestamping".to_owned(),
            user: "tsu default".to_owned(),
            tsa_policies: vec![hex_literal::hex!("04008f670101").to_vec()],
            not_after: at(NOW + YEAR),
            accept_unattested: false,
        }),
        evidence: Vec::new(),
        end: None,
    }
}

/// As [`claims`], of the key of another TSU.
pub(crate) fn claims_of(tsu: &str) -> Claims {
    let mut claims = claims();
    if let Some(policy) = &mut claims.policy {
        policy.user = format!("tsu {tsu}");
    }
    claims
}

/// As [`claims`], with every optional field.
pub(crate) fn full_claims() -> Claims {
    use crate::{KeyEnd, KeyEndState};

    let mut claims = claims();
    claims.assurance = Assurance::DeviceSigned;
    claims.nonce = Some(Nonce::new((0..32).collect()).unwrap());
    claims.key.allowed_mechanisms = Some(vec!["CKM_ECDSA".to_owned(), "CKM_ECDSA_SHA256".to_owned()]);
    claims.key.start_date = Some(Date { year: 2026, month: 1, day: 2 });
    claims.key.end_date = Some(Date { year: 2027, month: 12, day: 31 });
    claims.key.unique_id = Some("4f3c-ä".to_owned());
    let format = crate::oid::YUBIHSM2_EVIDENCE.to_vec();
    claims.evidence = vec![EvidenceClaim { format, sha512: [0x5a; 64] }];
    claims.end = Some(KeyEnd { time: at(NOW - 5), state: KeyEndState::Destroyed });
    claims
}

pub(crate) fn key_claims() -> KeyClaims {
    let flags = [
        (KeyFlag::Token, true),
        (KeyFlag::Private, true),
        (KeyFlag::Sensitive, true),
        (KeyFlag::Decrypt, false),
        (KeyFlag::Unwrap, false),
        (KeyFlag::Sign, true),
        (KeyFlag::Derive, false),
        (KeyFlag::Extractable, false),
        (KeyFlag::Local, true),
        (KeyFlag::NeverExtractable, true),
        (KeyFlag::AlwaysSensitive, true),
        (KeyFlag::Modifiable, true),
    ];
    let flags =
        flags.into_iter().fold(KeyFlags::default(), |flags, (flag, value)| flags.with(flag, Some(value)));
    KeyClaims {
        id: hex_literal::hex!("a1b2c3d4e5f60718").to_vec(),
        label: "tsu default".to_owned(),
        key_type: "CKK_EC".to_owned(),
        parameter_set: "P-256".to_owned(),
        flags,
        key_gen_mechanism: Some("CKM_EC_KEY_PAIR_GEN".to_owned()),
        allowed_mechanisms: None,
        start_date: None,
        end_date: None,
        unique_id: None,
    }
}

pub(crate) fn platform() -> Platform {
    Platform {
        manufacturer: "Example Oy".to_owned(),
        model: "Token v1".to_owned(),
        serial: "0123456789abcdef".to_owned(),
        firmware: "2.10".to_owned(),
    }
}

pub(crate) fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

pub(crate) fn years(count: u64) -> Validity {
    Validity::new(at(NOW), at(NOW + count * YEAR)).unwrap()
}

pub(crate) fn subject(common_name: &str) -> Subject {
    let (country, organization) = ("FI", "Example Oy");
    Subject::new(SubjectFields { country, organization, organization_identifier: None, common_name }).unwrap()
}

pub(crate) fn serial(octet: u8) -> CertificateSerial {
    CertificateSerial::from_random([octet; 16])
}

fn static_subject() -> &'static Subject {
    static SUBJECT: LazyLock<Subject> = LazyLock::new(|| subject("Key of tsu default"));
    &SUBJECT
}

fn static_serial() -> &'static CertificateSerial {
    static SERIAL: LazyLock<CertificateSerial> = LazyLock::new(|| serial(4));
    &SERIAL
}
