//! Software keys for this crate's tests, the same at every run, and a hierarchy made with them.
//!
//! Production keys live in the token; these sign what `to_be_signed` gave, as the token would.

pub(crate) mod post_quantum;

use std::convert::Infallible;
use std::time::Duration;

use const_oid::ObjectIdentifier;
use ed25519_dalek::Signer as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use signature::SignatureEncoding as _;

use crate::{
    CertificateDer, CertificateSerial, Issuer, PublicUrl, RootParameters, SignatureAlgorithm, Subject,
    SubjectFields, TimestampingCaParameters, TsuParameters, UnixTime, UnsignedCertificate, Validity,
};

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW: u64 = 1_767_225_600;
pub(crate) const YEAR: u64 = 365 * 86_400;

pub(crate) type Signer = Box<dyn Fn(&[u8]) -> Vec<u8>>;

pub(crate) struct TestKey {
    pub(crate) spki_der: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) signer: Signer,
}

impl TestKey {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.signer)(message)
    }

    pub(crate) fn p256(scalar: u8) -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[scalar; 32]).unwrap();
        let spki_der = key.verifying_key().to_public_key_der().unwrap().into_vec();
        let signer: Signer = Box::new(move |message| {
            let signature: p256::ecdsa::DerSignature = key.sign(message);
            signature.to_vec()
        });
        Self { spki_der, algorithm: SignatureAlgorithm::EcdsaP256Sha256, signer }
    }

    pub(crate) fn p384(scalar: u8) -> Self {
        let key = p384::ecdsa::SigningKey::from_slice(&[scalar; 48]).unwrap();
        let spki_der = key.verifying_key().to_public_key_der().unwrap().into_vec();
        let signer: Signer = Box::new(move |message| {
            let signature: p384::ecdsa::DerSignature = key.sign(message);
            signature.to_vec()
        });
        Self { spki_der, algorithm: SignatureAlgorithm::EcdsaP384Sha384, signer }
    }

    pub(crate) fn ed25519(seed: u8) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let prefix = hex_literal::hex!("302a 3005 0603 2b6570 0321 00");
        let spki_der = [&prefix[..], key.verifying_key().as_bytes()].concat();
        let signer: Signer = Box::new(move |message| key.sign(message).to_bytes().to_vec());
        Self { spki_der, algorithm: SignatureAlgorithm::Ed25519, signer }
    }

    pub(crate) fn rsa2048(seed: u8) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut Counter { seed, block: 0 }, 2048).unwrap();
        let spki_der = key.to_public_key().to_public_key_der().unwrap().into_vec();
        let key = rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(key);
        let signer: Signer = Box::new(move |message| signature::Signer::sign(&key, message).to_vec());
        Self { spki_der, algorithm: SignatureAlgorithm::RsaPkcs1Sha256, signer }
    }
}

/// A random source for tests: SHA-256 of a seed and a counter.
struct Counter {
    seed: u8,
    block: u64,
}

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for chunk in destination.chunks_mut(32) {
            self.block += 1;
            let input = [&[self.seed][..], &self.block.to_be_bytes()].concat();
            let digest = crate::HashAlgorithm::Sha256.digest(&input);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

pub(crate) fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

pub(crate) fn years(count: u64) -> Validity {
    Validity::new(at(NOW), at(NOW + count * YEAR)).unwrap()
}

pub(crate) fn subject(common_name: &str) -> Subject {
    let fields = SubjectFields {
        country: "FI",
        organization: "Example Oy",
        organization_identifier: Some("NTRFI-1234567-8"),
        common_name,
    };
    Subject::new(fields).unwrap()
}

pub(crate) fn serial(octet: u8) -> CertificateSerial {
    CertificateSerial::from_random([octet; 16])
}

/// A root, a time-stamping CA and a TSU.
pub(crate) struct Hierarchy {
    pub(crate) root: CertificateDer<'static>,
    pub(crate) intermediate: CertificateDer<'static>,
    pub(crate) tsu: CertificateDer<'static>,
}

/// The hierarchy that `init` makes by default, with the CRLs and CA certificates published where `base` says.
pub(crate) fn hierarchy(
    root_key: &TestKey,
    ca_key: &TestKey,
    tsu_key: &TestKey,
    base: Option<&str>,
) -> Hierarchy {
    let root = root(root_key);
    let intermediate = intermediate(&root, root_key, ca_key, base);
    let issuer = Issuer::from_certificate(&intermediate).unwrap();
    let tsu = tsu(&issuer, ca_key, tsu_key, &[], base);
    Hierarchy { root, intermediate, tsu }
}

pub(crate) fn tsu(
    issuer: &Issuer,
    ca_key: &TestKey,
    tsu_key: &TestKey,
    policies: &[ObjectIdentifier],
    base: Option<&str>,
) -> CertificateDer<'static> {
    let urls = base.map(|base| [format!("{base}/pki/tsa.crl"), format!("{base}/pki/tsa.pem")]);
    let unsigned = UnsignedCertificate::tsu(TsuParameters {
        issuer,
        signature_algorithm: ca_key.algorithm,
        subject: &subject("Time-Stamping Unit 1"),
        spki_der: &tsu_key.spki_der,
        serial: &serial(3),
        validity: years(5),
        private_key_usage_not_after: at(NOW + YEAR),
        policies,
        issuer_crl_url: urls.as_ref().map(|urls| PublicUrl::new(&urls[0]).unwrap()),
        issuer_certificate_url: urls.as_ref().map(|urls| PublicUrl::new(&urls[1]).unwrap()),
    })
    .unwrap();
    finish(unsigned, ca_key)
}

pub(crate) fn root(key: &TestKey) -> CertificateDer<'static> {
    let unsigned = UnsignedCertificate::root(RootParameters {
        subject: &subject("Time-Stamping Root CA"),
        spki_der: &key.spki_der,
        signature_algorithm: key.algorithm,
        serial: &serial(1),
        validity: years(30),
    })
    .unwrap();
    finish(unsigned, key)
}

pub(crate) fn intermediate(
    root: &CertificateDer<'_>,
    root_key: &TestKey,
    ca_key: &TestKey,
    base: Option<&str>,
) -> CertificateDer<'static> {
    let urls = base.map(|base| [format!("{base}/pki/root.crl"), format!("{base}/pki/root.pem")]);
    let unsigned = UnsignedCertificate::timestamping_ca(TimestampingCaParameters {
        issuer: &Issuer::from_certificate(root).unwrap(),
        signature_algorithm: root_key.algorithm,
        subject: &subject("Time-Stamping CA"),
        spki_der: &ca_key.spki_der,
        serial: &serial(2),
        validity: years(20),
        issuer_crl_url: urls.as_ref().map(|urls| PublicUrl::new(&urls[0]).unwrap()),
        issuer_certificate_url: urls.as_ref().map(|urls| PublicUrl::new(&urls[1]).unwrap()),
    })
    .unwrap();
    finish(unsigned, root_key)
}

pub(crate) fn finish(unsigned: UnsignedCertificate, key: &TestKey) -> CertificateDer<'static> {
    let signature = key.sign(unsigned.to_be_signed());
    unsigned.attach(&signature).unwrap()
}
