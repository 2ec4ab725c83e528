//! The SignerInfo of a token (RFC 5652 §5.3), taken apart, and tokens put together again around another one.

use anyhow::{Context, Result, bail};

use crate::der::{self, Value, tlv};

/// [1], constructed: the unsigned attributes.
const CONTEXT_1: u8 = 0xA1;

/// A SignerInfo's fields, each encoded as it came unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerInfo {
    /// version, sid: as they came.
    pub head: Vec<u8>,
    /// AlgorithmIdentifier
    pub digest_algorithm: Vec<u8>,
    /// As they are signed: a SET OF (tag 0x31), not the [0] of the SignerInfo (RFC 5652 §5.4).
    pub signed_attributes: Vec<u8>,
    /// AlgorithmIdentifier
    pub signature_algorithm: Vec<u8>,
    /// Content of the OCTET STRING.
    pub signature: Vec<u8>,
    /// Attributes one by one; empty where there is no field.
    pub unsigned_attributes: Vec<Vec<u8>>,
}

impl SignerInfo {
    /// Takes one apart.
    ///
    /// # Errors
    /// When it is not DER or has no signed attributes.
    pub fn read(encoded: &[u8]) -> Result<Self> {
        let fields = Value::read(encoded)?.expect_tag(der::SEQUENCE)?.children()?;
        let [version, signer, digest_algorithm, signed, signature_algorithm, signature, rest @ ..] =
            fields.as_slice()
        else {
            bail!("SignerInfo with {} fields", fields.len())
        };
        let unsigned_attributes = match rest {
            [] => Vec::new(),
            [unsigned] => {
                let attributes = unsigned.expect_tag(CONTEXT_1)?.children()?;
                attributes.iter().map(|attribute| attribute.encoded.to_vec()).collect()
            }
            more => bail!("{} fields after the signature", more.len()),
        };
        Ok(Self {
            head: [version.encoded, signer.encoded].concat(),
            digest_algorithm: digest_algorithm.encoded.to_vec(),
            signed_attributes: tlv(der::SET, &[signed.expect_tag(der::CONTEXT_0)?.content]),
            signature_algorithm: signature_algorithm.encoded.to_vec(),
            signature: signature.expect_tag(der::OCTET_STRING)?.content.to_vec(),
            unsigned_attributes,
        })
    }

    /// The one of a token.
    ///
    /// # Errors
    /// As [`SignerInfo::read`], or when it has another number of them.
    pub fn of_token(token: &[u8]) -> Result<Self> {
        let signed_data = Value::read(token)?.child(1)?.child(0)?;
        let fields = signed_data.children()?;
        let infos = fields.last().context("an empty SignedData")?.expect_tag(der::SET)?.children()?;
        let [info] = infos.as_slice() else { bail!("{} SignerInfos", infos.len()) };
        Self::read(info.encoded)
    }

    /// Puts it together.
    ///
    /// # Errors
    /// Never, for one that was read.
    pub fn encoded(&self) -> Result<Vec<u8>> {
        let signed = tlv(der::CONTEXT_0, &[Value::read(&self.signed_attributes)?.content]);
        let mut unsigned = self.unsigned_attributes.clone();
        unsigned.sort();
        let unsigned = match unsigned.as_slice() {
            [] => Vec::new(),
            attributes => tlv(CONTEXT_1, &[&attributes.concat()]),
        };
        #[rustfmt::skip]
        let fields = [
            self.head.as_slice(), &self.digest_algorithm, &signed, &self.signature_algorithm,
            &tlv(der::OCTET_STRING, &[&self.signature]), &unsigned,
        ];
        Ok(tlv(der::SEQUENCE, &fields))
    }

    /// The token with this SignerInfo in place of its own.
    ///
    /// # Errors
    /// When the token cannot be taken apart.
    pub fn put_into(&self, token: &[u8]) -> Result<Vec<u8>> {
        let content_info = Value::read(token)?;
        let fields = content_info.child(1)?.child(0)?.children()?;
        let (_, head) = fields.split_last().context("an empty SignedData")?;
        let head: Vec<u8> = head.iter().flat_map(|field| field.encoded).copied().collect();
        let signed_data = tlv(der::SEQUENCE, &[&head, &tlv(der::SET, &[&self.encoded()?])]);
        let content = tlv(der::CONTEXT_0, &[&signed_data]);
        Ok(tlv(der::SEQUENCE, &[content_info.child(0)?.encoded, &content]))
    }

    /// The values of the unsigned attributes of this type.
    ///
    /// # Errors
    /// When they are not DER.
    pub fn unsigned_values(&self, oid: &str) -> Result<Vec<Vec<u8>>> {
        let oid = der::oid(oid)?;
        let mut values = Vec::new();
        for attribute in &self.unsigned_attributes {
            let attribute = Value::read(attribute)?;
            if attribute.child(0)?.encoded == oid {
                values.extend(attribute.child(1)?.children()?.iter().map(|value| value.encoded.to_vec()));
            }
        }
        Ok(values)
    }

    /// The digest algorithm as Python names it; `none` where it goes with post-quantum signatures alone.
    ///
    /// # Errors
    /// When the field is not DER.
    pub fn hash_name(&self) -> Result<&'static str> {
        let oid = Value::read(&self.digest_algorithm)?.child(0)?.encoded;
        for (name, dotted) in [
            ("sha256", "2.16.840.1.101.3.4.2.1"),
            ("sha384", "2.16.840.1.101.3.4.2.2"),
            ("sha512", "2.16.840.1.101.3.4.2.3"),
        ] {
            if oid == der::oid(dotted)? {
                return Ok(name);
            }
        }
        Ok("none")
    }
}

/// The TimeStampResp that grants this token.
#[must_use]
pub fn granting(token: &[u8]) -> Vec<u8> {
    let granted = tlv(der::SEQUENCE, &[&tlv(der::INTEGER, &[&[0]])]);
    tlv(der::SEQUENCE, &[&granted, token])
}
