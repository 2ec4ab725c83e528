//! TimeStampReq, byte by byte: right ones by default, wrong ones on purpose (RFC 3161 §2.4.1).

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::der::{self, tlv};

/// SHA-256
pub const SHA_256: &str = "2.16.840.1.101.3.4.2.1";

/// The parts of a request, each as the bytes that go into it. All of them can be replaced.
#[derive(Debug, Clone)]
pub struct Request {
    /// INTEGER
    pub version: Vec<u8>,
    /// SEQUENCE { AlgorithmIdentifier, OCTET STRING }
    pub message_imprint: Vec<u8>,
    /// OBJECT IDENTIFIER, or nothing.
    pub policy: Vec<u8>,
    /// INTEGER, or nothing.
    pub nonce: Vec<u8>,
    /// BOOLEAN, or nothing.
    pub cert_req: Vec<u8>,
    /// [0] IMPLICIT Extensions, or nothing.
    pub extensions: Vec<u8>,
}

impl Request {
    /// Version 1, SHA-256 of these data with NULL parameters, nonce 1, and nothing else.
    ///
    /// # Errors
    /// Never: the OID is right.
    pub fn of(data: &[u8]) -> Result<Self> {
        Ok(Self {
            version: integer(&[1]),
            message_imprint: imprint(SHA_256, &tlv(der::NULL, &[]), &Sha256::digest(data))?,
            policy: Vec::new(),
            nonce: integer(&[1]),
            cert_req: Vec::new(),
            extensions: Vec::new(),
        })
    }

    /// The whole request.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        tlv(
            der::SEQUENCE,
            &[
                &self.version,
                &self.message_imprint,
                &self.policy,
                &self.nonce,
                &self.cert_req,
                &self.extensions,
            ],
        )
    }
}

/// An INTEGER of exactly these content bytes.
#[must_use]
pub fn integer(content: &[u8]) -> Vec<u8> {
    tlv(der::INTEGER, &[content])
}

/// `certReq TRUE`
#[must_use]
pub fn cert_req() -> Vec<u8> {
    tlv(der::BOOLEAN, &[&[0xFF]])
}

/// A MessageImprint: algorithm, its encoded parameters (may be nothing), and the digest.
///
/// # Errors
/// When the text is no OID.
pub fn imprint(algorithm: &str, parameters: &[u8], digest: &[u8]) -> Result<Vec<u8>> {
    let algorithm = tlv(der::SEQUENCE, &[&der::oid(algorithm)?, parameters]);
    Ok(tlv(der::SEQUENCE, &[&algorithm, &tlv(der::OCTET_STRING, &[digest])]))
}

/// Extensions with one member.
///
/// # Errors
/// When the text is no OID.
pub fn extension(oid: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>> {
    let critical = if critical { tlv(der::BOOLEAN, &[&[0xFF]]) } else { Vec::new() };
    let value = tlv(der::OCTET_STRING, &[value]);
    Ok(tlv(der::CONTEXT_0, &[&tlv(der::SEQUENCE, &[&der::oid(oid)?, &critical, &value])]))
}
