//! An attestation hierarchy of software keys, as `attestamp init` makes one in a token.

use std::time::Duration;

use attestamp_attestation::{
    Assurance, AttestationClock, AttestationKeyParameters, AttestationParameters, Certificate, Claims,
    DeviceParameters, DeviceRootParameters, KeyClaims, KeyFlag, KeyFlags, Platform, UnsignedCertificate,
};
use attestamp_certs::pem::{PemLabel, to_pem};
use attestamp_certs::{CertificateSerial, SignatureAlgorithm, Subject, SubjectFields, UnixTime, Validity};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PublicKeyData as _, SigningKey as _};

/// 2025-01-01T00:00:00Z
pub(super) const ATTESTED_AT: u64 = 1_735_689_600;
const YEAR: u64 = 365 * 86_400;
const ALGORITHM: SignatureAlgorithm = SignatureAlgorithm::EcdsaP384Sha384;

pub(super) fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

/// A root, a device and an attestation key.
pub(super) struct Hierarchy {
    attestation_key: KeyPair,
    pub(super) root: Certificate,
    pub(super) chain: Vec<Certificate>,
}

impl Hierarchy {
    pub(super) fn new() -> Self {
        let [root_key, device_key, attestation_key] =
            [(); 3].map(|()| KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
        let root = UnsignedCertificate::device_root(DeviceRootParameters {
            subject: &subject("Test Device Root"),
            spki_der: &root_key.subject_public_key_info(),
            signature_algorithm: ALGORITHM,
            serial: &serial(1),
            validity: years(30),
        });
        let root = finish(root.unwrap(), &root_key);
        let device = UnsignedCertificate::device(DeviceParameters {
            issuer: &root,
            signature_algorithm: ALGORITHM,
            subject: &subject("Test Device"),
            spki_der: &device_key.subject_public_key_info(),
            serial: &serial(2),
            validity: years(29),
            platform: &platform(),
        });
        let device = finish(device.unwrap(), &root_key);
        let attester = UnsignedCertificate::attestation_key(AttestationKeyParameters {
            issuer: &device,
            signature_algorithm: ALGORITHM,
            subject: &subject("Test Attestation Key"),
            spki_der: &attestation_key.subject_public_key_info(),
            serial: &serial(3),
            validity: years(28),
        });
        let attester = finish(attester.unwrap(), &device_key);
        Self { attestation_key, root, chain: vec![attester, device] }
    }

    pub(super) fn attest(&self, spki_der: &[u8], claims: &Claims) -> Certificate {
        let unsigned = UnsignedCertificate::attestation(AttestationParameters {
            issuer: &self.chain[0],
            signature_algorithm: ALGORITHM,
            subject: &subject("Test Key"),
            spki_der,
            serial: &serial(4),
            validity: years(27),
            claims,
        });
        finish(unsigned.unwrap(), &self.attestation_key)
    }
}

pub(super) fn pem(certificates: &[Certificate]) -> String {
    certificates.iter().map(|certificate| to_pem(PemLabel::Certificate, certificate.der())).collect()
}

/// Claims of a key that satisfies D6.
pub(super) fn claims() -> Claims {
    let flags = [
        (KeyFlag::Sensitive, true),
        (KeyFlag::Decrypt, false),
        (KeyFlag::Unwrap, false),
        (KeyFlag::Sign, true),
        (KeyFlag::Derive, false),
        (KeyFlag::Extractable, false),
        (KeyFlag::Local, true),
        (KeyFlag::NeverExtractable, true),
        (KeyFlag::AlwaysSensitive, true),
    ];
    let flags =
        flags.into_iter().fold(KeyFlags::default(), |flags, (flag, value)| flags.with(flag, Some(value)));
    Claims {
        assurance: Assurance::HostAsserted,
        attested_at: at(ATTESTED_AT),
        clock: AttestationClock::HostUnassured,
        nonce: None,
        key: KeyClaims {
            id: vec![1, 2, 3],
            label: "tsu".to_owned(),
            key_type: "CKK_EC".to_owned(),
            parameter_set: "P-256".to_owned(),
            flags,
            key_gen_mechanism: None,
            allowed_mechanisms: None,
            start_date: None,
            end_date: None,
            unique_id: None,
        },
        platform: platform(),
        policy: None,
        evidence: Vec::new(),
        end: None,
    }
}

fn platform() -> Platform {
    Platform {
        manufacturer: "Test".to_owned(),
        model: "Token".to_owned(),
        serial: "1".to_owned(),
        firmware: "1.0".to_owned(),
    }
}

fn subject(common_name: &str) -> Subject {
    let (country, organization) = ("FI", "Test");
    Subject::new(SubjectFields { country, organization, organization_identifier: None, common_name }).unwrap()
}

fn serial(octet: u8) -> CertificateSerial {
    CertificateSerial::from_random([octet; 16])
}

fn years(count: u64) -> Validity {
    Validity::new(at(ATTESTED_AT), at(ATTESTED_AT + count * YEAR)).unwrap()
}

fn finish(unsigned: UnsignedCertificate, key: &KeyPair) -> Certificate {
    let signature = key.sign(unsigned.to_be_signed()).unwrap();
    Certificate::parse(&unsigned.attach(&signature).unwrap()).unwrap()
}
