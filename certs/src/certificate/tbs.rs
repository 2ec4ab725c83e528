//! `TBSCertificate` as our certificates have it.
//!
//! An own type, because that of `x509-cert` can only be made through its builder, which wants a signer. The profiles in
//! `certificate.rs` fill it; nothing is decided here.

use der::asn1::AnyRef;
use der::{Decode, Encode, Sequence};
use x509_cert::Version;
use x509_cert::ext::Extensions;
use x509_cert::serial_number::SerialNumber;

use super::CertificateInvalid;
use crate::unsigned::Unsigned;
use crate::{CertificateSerial, SignatureAlgorithm, Subject, Validity};

/// The fields that every certificate has.
pub(super) struct Body<'a> {
    pub(super) issuer_der: &'a [u8],
    pub(super) subject: &'a Subject,
    pub(super) spki_der: &'a [u8],
    pub(super) signature_algorithm: SignatureAlgorithm,
    pub(super) serial: &'a CertificateSerial,
    pub(super) validity: Validity,
    pub(super) extensions: Extensions,
}

impl Body<'_> {
    pub(super) fn encode(self) -> Result<Unsigned, CertificateInvalid> {
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: self.serial.to_x509()?,
            signature: AnyRef::from_der(self.signature_algorithm.algorithm_identifier_der())?,
            issuer: AnyRef::from_der(self.issuer_der)?,
            validity: self.validity.to_x509()?,
            subject: AnyRef::from_der(self.subject.der())?,
            subject_public_key_info: AnyRef::from_der(self.spki_der)?,
            extensions: self.extensions,
        };
        Ok(Unsigned::new(tbs.to_der()?, self.signature_algorithm))
    }
}

/// `TBSCertificate` (RFC 5280 §4.1) without the unique identifiers. Names and key keep the octets that they came with.
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: x509_cert::time::Validity,
    subject: AnyRef<'a>,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}
