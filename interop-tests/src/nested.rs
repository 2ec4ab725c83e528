//! The post-quantum token inside a classical one: unsigned attribute signatureTimeStampToken (RFC 3161 appendix A).

use anyhow::{Context, Result, bail};

use crate::data_folder::DataFolder;
use crate::der::{self, Value};
use crate::reply::Granted;
use crate::request::{self, Request};
use crate::signer_info::{SignerInfo, granting};
use crate::stamped::{Parts, Stamped};

/// id-aa-timeStampToken
pub const SIGNATURE_TIME_STAMP_TOKEN: &str = "1.2.840.113549.1.9.16.2.14";

/// Lets the TSU `default` put a token of the TSU `pq` into each of its own.
///
/// # Errors
/// When the configuration has no such TSU.
pub fn configure(folder: &DataFolder) -> Result<()> {
    folder.edit_configuration("[tsu.default]\n", "[tsu.default]\nnested-tsu = \"pq\"\n")
}

/// The token inside this one.
///
/// # Errors
/// When it has none, or several.
pub fn inner(outer: &Granted) -> Result<Vec<u8>> {
    let mut inner = SignerInfo::of_token(&outer.token)?.unsigned_values(SIGNATURE_TIME_STAMP_TOKEN)?;
    match (inner.pop(), inner.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => bail!("no token inside"),
        (Some(_), false) => bail!("several tokens inside"),
    }
}

/// The inner token as a timestamp of its own, with the request that it would answer, for verifiers that know of none
/// inside another.
///
/// # Errors
/// When there is no inner token.
pub fn inner_stamped(outer: &Stamped, certificate: Vec<u8>, root: Vec<u8>) -> Result<Stamped> {
    let token = inner(&outer.granted()?)?;
    let reply = granting(&token);
    let granted = crate::reply::granted_der(&reply)?;
    let request = Request {
        message_imprint: granted.message_imprint,
        nonce: granted.nonce.unwrap_or_default(),
        cert_req: request::cert_req(),
        ..Request::of(&[])?
    };
    let parts = Parts { request: request.encoded(), reply, certificate, root };
    Stamped::of_parts(outer.folder(), &format!("{}-inner", outer.name()), &parts).context("inner token")
}

/// The outer token with these in place of what was inside.
///
/// # Errors
/// When it cannot be taken apart.
pub fn with_inner(outer: &Granted, inner: &[&[u8]]) -> Result<Vec<u8>> {
    let mut signer = SignerInfo::of_token(&outer.token)?;
    let oid = der::oid(SIGNATURE_TIME_STAMP_TOKEN)?;
    signer.unsigned_attributes = Vec::new();
    if !inner.is_empty() {
        let mut values = inner.to_vec();
        values.sort_unstable();
        let values = der::tlv(der::SET, &values);
        signer.unsigned_attributes.push(der::tlv(der::SEQUENCE, &[&oid, &values]));
    }
    let token = signer.put_into(&outer.token)?;
    Value::read(&token)?.check_canonical()?;
    Ok(token)
}
