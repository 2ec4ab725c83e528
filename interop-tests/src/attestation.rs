//! Reads an attestation certificate without attestamp's own codec: the claims as the document of their ASN.1 says, from the
//! bytes up, so that a fault in encoder and decoder alike cannot hide.
//!
//! Only what the tests compare with another tool's word is kept. Signatures are `openssl verify`'s.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::data_folder::DataFolder;
use crate::der::{self, Value};
use crate::tools::{Finished, OPENSSL};

/// 2.25.195043139723147967458054985970204369001.1, content octets.
const KEY_ATTESTATION: [u8; 21] = [
    0x69, 0x82, 0xa5, 0xbb, 0xf8, 0xcf, 0x84, 0xd7, 0xda, 0xb3, 0xc7, 0xaf, 0xe2, 0xc5, 0xf9, 0xda, 0xbf,
    0xc5, 0xc0, 0x69, 0x01,
];
const ENUMERATED: u8 = 0x0A;

/// What an attestation claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// 0 for hostAsserted, 1 for deviceSigned.
    pub assurance: u8,
    /// The auditor's nonce.
    pub nonce: Option<Vec<u8>>,
    /// CKA_ID.
    pub id: Vec<u8>,
    /// CKA_LABEL.
    pub label: String,
    /// The flags that are stated, by CKA_ number.
    pub flags: BTreeMap<u32, bool>,
    /// CKA_KEY_GEN_MECHANISM.
    pub key_gen_mechanism: Option<String>,
    /// CKA_UNIQUE_ID.
    pub unique_id: Option<String>,
    /// Whether the policy says that the key is used although it breaks D6.
    pub accept_unattested: bool,
    /// The end of the key's use: 0 for retired, 1 for destroyed.
    pub end: Option<u8>,
}

impl Claimed {
    /// Reads the claims of the first certificate of a PEM file.
    ///
    /// # Errors
    /// When openssl cannot read it, or it has not exactly one extension with claims in the documented form.
    pub fn of_pem(folder: &DataFolder, pem: &Path) -> Result<Self> {
        let der_file = folder.work().join("attestation.der");
        let arguments = ["x509", "-in", &pem.to_string_lossy(), "-outform", "DER", "-out", "attestation.der"];
        OPENSSL.run(&folder.work(), &arguments)?.succeeded()?;
        Self::of_der(&std::fs::read(der_file)?)
    }

    /// As [`Claimed::of_pem`].
    ///
    /// # Errors
    /// As [`Claimed::of_pem`].
    pub fn of_der(certificate: &[u8]) -> Result<Self> {
        let to_be_signed = Value::read(certificate)?.child(0)?;
        let fields = to_be_signed.children()?;
        let extensions = fields.iter().find(|field| field.tag == 0xA3).context("no extensions")?.child(0)?;
        let mut found = Vec::new();
        for extension in extensions.children()? {
            let parts = extension.children()?;
            let (Some(oid), Some(value)) = (parts.first(), parts.last()) else { continue };
            if oid.content == KEY_ATTESTATION {
                ensure!(parts.len() == 2, "the claims are critical");
                found.push(value.expect_tag(der::OCTET_STRING)?.content);
            }
        }
        let [claims] = found.as_slice() else { anyhow::bail!("{} extensions with claims", found.len()) };
        Self::read(claims)
    }

    fn read(claims: &[u8]) -> Result<Self> {
        let claims = Value::read(claims)?;
        claims.check_canonical()?;
        let fields = claims.children()?;
        ensure!(fields.first().is_some_and(|version| version.encoded == [2, 1, 1]), "not of version 1");
        let assurance = octet(claims.child(1)?.expect_tag(ENUMERATED)?)?;
        let tagged = |tag| fields.iter().find(|field| field.tag == tag).copied();
        let nonce = tagged(0x80).map(|nonce| nonce.content.to_vec());
        let key = claims.child(if nonce.is_some() { 5 } else { 4 })?.expect_tag(der::SEQUENCE)?;
        let key_fields = key.children()?;
        let optional_text = |tag| {
            let field = key_fields.iter().find(|field| field.tag == tag);
            field.map(|field| text(field.content)).transpose()
        };
        let mut flags = BTreeMap::new();
        for flag in key.child(4)?.children()? {
            let number = flag.child(0)?.expect_tag(der::INTEGER)?.content;
            let number = number.iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
            let value = octet(flag.child(1)?.expect_tag(der::BOOLEAN)?)? != 0;
            ensure!(flags.insert(number, value).is_none(), "the flag {number:#x} is stated twice");
        }
        let accept_unattested = match tagged(0xA1) {
            Some(policy) => octet(policy.child(4)?.expect_tag(der::BOOLEAN)?)? != 0,
            None => false,
        };
        let end = match tagged(0xA3) {
            Some(end) => Some(octet(end.child(1)?.expect_tag(ENUMERATED)?)?),
            None => None,
        };
        Ok(Self {
            assurance,
            nonce,
            id: key.child(0)?.expect_tag(der::OCTET_STRING)?.content.to_vec(),
            label: text(key.child(1)?.expect_tag(der::UTF8_STRING)?.content)?,
            flags,
            key_gen_mechanism: optional_text(0x80)?,
            unique_id: optional_text(0x84)?,
            accept_unattested,
            end,
        })
    }
}

/// The first of the auditor's three commands, on files in the test's folder.
///
/// # Errors
/// When openssl could not be run; what it found is in the result.
pub fn openssl_verify(folder: &DataFolder, root: &str, chain: &str, attestation: &str) -> Result<Finished> {
    let arguments = ["verify", "-x509_strict", "-CAfile", root, "-untrusted", chain, attestation];
    OPENSSL.run(&folder.work(), &arguments)
}

fn octet(value: Value<'_>) -> Result<u8> {
    let [octet] = value.content else { anyhow::bail!("{} octets where one should be", value.content.len()) };
    Ok(*octet)
}

fn text(content: &[u8]) -> Result<String> {
    Ok(String::from_utf8(content.to_vec())?)
}
