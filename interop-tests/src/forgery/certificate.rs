//! The forger's certificates: what a token says of its signer's, and certificates with one thing wrong.

use anyhow::Result;

use super::NIST_SIGNATURES;
use crate::der::{self, Value, tlv};

/// What is wrong in a TSU's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// The key's AlgorithmIdentifier has NULL parameters (RFC 9881 §4, RFC 9909 §5).
    KeyWithNull,
    /// The signature's has, in both places (RFC 9881 §2, RFC 9909 §3).
    SignatureWithNull,
    /// The key is one of the pre-hash form by this last arc (RFC 9881 leaves HashML-DSA out).
    PreHashKey(u8),
}

/// The fields that matter here, each encoded unless it says otherwise.
pub(super) struct Certificate<'a> {
    pub(super) encoded: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a [u8],
    /// UTCTime's content.
    pub(super) not_before: &'a [u8],
    fields: Vec<Value<'a>>,
}

/// Where the fields stand in a TBSCertificate of version 3 (RFC 5280 §4.1).
const SERIAL: usize = 1;
const SIGNATURE: usize = 2;
const ISSUER: usize = 3;
const VALIDITY: usize = 4;
const PUBLIC_KEY: usize = 6;

impl<'a> Certificate<'a> {
    pub(super) fn read(encoded: &'a [u8]) -> Result<Self> {
        let to_be_signed = Value::read(encoded)?.child(0)?;
        Ok(Self {
            encoded,
            serial: to_be_signed.child(SERIAL)?.encoded,
            issuer: to_be_signed.child(ISSUER)?.encoded,
            not_before: to_be_signed.child(VALIDITY)?.child(0)?.content,
            fields: to_be_signed.children()?,
        })
    }

    /// The certificate with the fault, signed anew.
    pub(super) fn with_fault(
        &self,
        fault: CertificateFault,
        sign: impl Fn(&[u8]) -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let mut fields: Vec<Vec<u8>> = self.fields.iter().map(|field| field.encoded.to_vec()).collect();
        let mut signature_algorithm = Value::read(self.encoded)?.child(1)?.encoded.to_vec();
        let with_null =
            |identifier: Value<'_>| tlv(der::SEQUENCE, &[identifier.content, &tlv(der::NULL, &[])]);
        for (index, field) in fields.iter_mut().enumerate() {
            let value = Value::read(field)?;
            match (fault, index) {
                (CertificateFault::SignatureWithNull, SIGNATURE) => {
                    signature_algorithm = with_null(value);
                    *field = signature_algorithm.clone();
                }
                (CertificateFault::KeyWithNull, PUBLIC_KEY) => {
                    *field = tlv(der::SEQUENCE, &[&with_null(value.child(0)?), value.child(1)?.encoded]);
                }
                (CertificateFault::PreHashKey(arc), PUBLIC_KEY) => {
                    let identifier = tlv(der::SEQUENCE, &[&der::oid(&format!("{NIST_SIGNATURES}.{arc}"))?]);
                    *field = tlv(der::SEQUENCE, &[&identifier, value.child(1)?.encoded]);
                }
                _ => {}
            }
        }
        let to_be_signed = tlv(der::SEQUENCE, &[&fields.concat()]);
        let signature = tlv(der::BIT_STRING, &[&[0], &sign(&to_be_signed)?]);
        Ok(tlv(der::SEQUENCE, &[&to_be_signed, &signature_algorithm, &signature]))
    }
}
