//! Certificates in exactly the form of a YubiHSM 2 and its vendor, made with software keys: for what no real device's
//! certificates could be had. All keys are on P-256, which the device's documents allow for an attesting key; the real
//! chain in `vectors/` is RSA.

use attestamp_certs::pem::{PemLabel, to_pem};
use attestamp_certs::{CertificateDer, SignatureAlgorithm};
use attestamp_strict_der::{INTEGER_1, element, set_of, tag, unsigned_integer};
use hex_literal::hex;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;

use crate::evidence::yubihsm2::YubicoExtension;

pub(super) const KEY_USAGE_CERT_SIGN: [u8; 4] = hex!("03020106");
const NOT_BEFORE: &[u8] = b"170101000000Z";
const NOT_AFTER: &[u8] = b"20711005000000Z";

/// A key pair.
pub(super) struct Key(SigningKey);

impl Key {
    pub(super) fn new(scalar: u8) -> Self {
        Self(SigningKey::from_slice(&[scalar; 32]).unwrap())
    }

    pub(super) fn spki_der(&self) -> Vec<u8> {
        self.0.verifying_key().to_public_key_der().unwrap().into_vec()
    }
}

/// What a certificate says; [`Made::signed_by`] makes it one.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) subject: &'static str,
    pub(super) issuer: &'static str,
    pub(super) spki_der: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Made {
    pub(super) fn signed_by(&self, key: &Key) -> CertificateDer<'static> {
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256.algorithm_identifier_der();
        let validity =
            [element(tag::UTC_TIME, &[NOT_BEFORE]), element(tag::GENERALIZED_TIME, &[NOT_AFTER])].concat();
        let to_be_signed = element(
            tag::SEQUENCE,
            &[
                &hex!("a003020102"),
                &INTEGER_1,
                algorithm,
                &name(self.issuer),
                &element(tag::SEQUENCE, &[&validity]),
                &name(self.subject),
                &self.spki_der,
                &element(tag::CONTEXT_3, &[&element(tag::SEQUENCE, &[&self.extensions.concat()])]),
            ],
        );
        let signature: DerSignature = key.0.sign(&to_be_signed);
        let signature = element(tag::BIT_STRING, &[&[0], signature.as_bytes()]);
        CertificateDer::from(element(tag::SEQUENCE, &[&to_be_signed, algorithm, &signature]))
    }
}

fn name(common_name: &str) -> Vec<u8> {
    let attribute =
        element(tag::SEQUENCE, &[&hex!("0603550403"), &element(tag::UTF8_STRING, &[common_name.as_bytes()])]);
    element(tag::SEQUENCE, &[&element(tag::SET, &[&set_of(&[attribute])])])
}

/// An extension of Yubico's with this value.
pub(super) fn yubico(extension: YubicoExtension, value: &[u8]) -> Vec<u8> {
    let oid = element(tag::OBJECT_IDENTIFIER, &[&extension.oid()]);
    element(tag::SEQUENCE, &[&oid, &element(tag::OCTET_STRING, &[value])])
}

/// Critical basicConstraints of a CA.
pub(super) fn basic_constraints(path_length: u32) -> Vec<u8> {
    let inside = element(tag::SEQUENCE, &[&hex!("0101ff"), &unsigned_integer(tag::INTEGER, path_length)]);
    element(tag::SEQUENCE, &[&hex!("0603551d13 0101ff"), &element(tag::OCTET_STRING, &[&inside])])
}

/// Critical keyUsage.
pub(super) fn key_usage(bits: &[u8]) -> Vec<u8> {
    element(tag::SEQUENCE, &[&hex!("0603551d0f 0101ff"), &element(tag::OCTET_STRING, &[bits])])
}

/// What a device says of an object.
#[derive(Clone)]
pub(super) struct Attested {
    pub(super) firmware: [u8; 3],
    pub(super) serial: u32,
    pub(super) origin: u8,
    pub(super) domains: u16,
    pub(super) capabilities: u64,
    pub(super) object_id: u16,
    pub(super) label: &'static str,
}

impl Attested {
    /// A key that satisfies D6: generated, `sign-ecdsa` alone.
    pub(super) fn good() -> Self {
        Self {
            firmware: [2, 4, 1],
            serial: 31_000_001,
            origin: 0x01,
            domains: 0x0001,
            capabilities: 0x80,
            object_id: 0x0024,
            label: "tsu default",
        }
    }

    pub(super) fn extensions(&self) -> Vec<Vec<u8>> {
        let bits = |octets: &[u8]| element(tag::BIT_STRING, &[&[0], octets]);
        vec![
            yubico(YubicoExtension::Firmware, &element(tag::OCTET_STRING, &[&self.firmware])),
            yubico(YubicoExtension::SerialNumber, &unsigned_integer(tag::INTEGER, self.serial)),
            yubico(YubicoExtension::Origin, &bits(&[self.origin])),
            yubico(YubicoExtension::Domains, &bits(&self.domains.to_be_bytes())),
            yubico(YubicoExtension::Capabilities, &bits(&self.capabilities.to_be_bytes())),
            yubico(YubicoExtension::ObjectId, &unsigned_integer(tag::INTEGER, self.object_id.into())),
            yubico(YubicoExtension::Label, &element(tag::UTF8_STRING, &[self.label.as_bytes()])),
        ]
    }
}

/// A vendor, one of its devices and a key in it.
pub(super) struct Vendor {
    pub(super) root: Key,
    pub(super) intermediate: Key,
    pub(super) device: Key,
    pub(super) attested: Key,
}

impl Vendor {
    pub(super) fn new() -> Self {
        Self { root: Key::new(1), intermediate: Key::new(2), device: Key::new(3), attested: Key::new(4) }
    }

    pub(super) fn root_certificate(&self) -> CertificateDer<'static> {
        let spki_der = self.root.spki_der();
        let extensions = vec![basic_constraints(2), key_usage(&KEY_USAGE_CERT_SIGN)];
        Made { subject: "made root", issuer: "made root", spki_der, extensions }.signed_by(&self.root)
    }

    pub(super) fn intermediate_certificate(&self) -> CertificateDer<'static> {
        let spki_der = self.intermediate.spki_der();
        let extensions = vec![basic_constraints(1), key_usage(&KEY_USAGE_CERT_SIGN)];
        let issuer = "made root";
        Made { subject: "made sub-CA", issuer, spki_der, extensions }.signed_by(&self.root)
    }

    /// What the certificate of the device with [`Attested::good`]'s serial number says: no keyUsage.
    pub(super) fn device(&self) -> Made {
        let mut extensions = Attested::good().extensions();
        extensions.truncate(2);
        extensions.push(basic_constraints(0));
        let spki_der = self.device.spki_der();
        Made { subject: "YubiHSM Attestation (31000001)", issuer: "made sub-CA", spki_der, extensions }
    }

    pub(super) fn attestation(&self, extensions: Vec<Vec<u8>>) -> Made {
        Made {
            subject: "YubiHSM Attestation id:0x0024",
            issuer: "YubiHSM Attestation (31000001)",
            spki_der: self.attested.spki_der(),
            extensions,
        }
    }

    /// Attestation, device, intermediate.
    pub(super) fn chain(&self, extensions: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
        vec![
            self.attestation(extensions).signed_by(&self.device),
            self.device().signed_by(&self.intermediate),
            self.intermediate_certificate(),
        ]
    }
}

/// A chain as evidence.
pub(super) fn pem(chain: &[CertificateDer<'_>]) -> Vec<u8> {
    chain.iter().map(|der| to_pem(PemLabel::Certificate, der)).collect::<String>().into_bytes()
}
