//! TimeStampResp, TSTInfo and the CMS around it, taken apart down to the bytes that a rule speaks of (RFC 3161 §2.4.2).

use anyhow::{Context, Result, ensure};

use crate::connection::HttpReply;
use crate::der::{self, Value};

/// PKIFailureInfo of one bit, as the whole BIT STRING: trailing zero bits dropped (X.690 §11.2.2).
pub mod failure {
    /// badAlg(0)
    pub const BAD_ALG: &[u8] = &[0x03, 0x02, 0x07, 0x80];
    /// badRequest(2)
    pub const BAD_REQUEST: &[u8] = &[0x03, 0x02, 0x05, 0x20];
    /// badDataFormat(5)
    pub const BAD_DATA_FORMAT: &[u8] = &[0x03, 0x02, 0x02, 0x04];
    /// timeNotAvailable(14)
    pub const TIME_NOT_AVAILABLE: &[u8] = &[0x03, 0x03, 0x01, 0x00, 0x02];
    /// unacceptedPolicy(15)
    pub const UNACCEPTED_POLICY: &[u8] = &[0x03, 0x03, 0x00, 0x00, 0x01];
    /// unacceptedExtension(16)
    pub const UNACCEPTED_EXTENSION: &[u8] = &[0x03, 0x04, 0x07, 0x00, 0x00, 0x80];
    /// addInfoNotAvailable(17)
    pub const ADD_INFO_NOT_AVAILABLE: &[u8] = &[0x03, 0x04, 0x06, 0x00, 0x00, 0x40];
    /// systemFailure(25)
    pub const SYSTEM_FAILURE: &[u8] = &[0x03, 0x05, 0x06, 0x00, 0x00, 0x00, 0x40];
}

/// The parts of a granted reply, each as the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The ContentInfo.
    pub token: Vec<u8>,
    /// The TSTInfo.
    pub tst_info: Vec<u8>,
    /// OBJECT IDENTIFIER
    pub policy: Vec<u8>,
    /// SEQUENCE
    pub message_imprint: Vec<u8>,
    /// Content of the INTEGER.
    pub serial: Vec<u8>,
    /// Content of the GeneralizedTime.
    pub gen_time: String,
    /// SEQUENCE
    pub accuracy: Option<Vec<u8>>,
    /// INTEGER
    pub nonce: Option<Vec<u8>>,
    /// The certificates field with its tag, where it is present.
    pub certificates: Option<Vec<u8>>,
    /// The SignerInfos, one each.
    pub signer_infos: Vec<Vec<u8>>,
}

/// The DER of an HTTP reply, which must be one as §3.4 wants it.
///
/// # Errors
/// When status, media type or caching are otherwise.
pub fn body(reply: &HttpReply) -> Result<&[u8]> {
    ensure!(reply.status == 200, "HTTP {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
    let media_type = reply.header("content-type");
    ensure!(media_type == Some("application/timestamp-reply"), "Content-Type {media_type:?}");
    let caching = reply.header("cache-control");
    ensure!(caching.is_some_and(|value| value.contains("no-store")), "Cache-Control {caching:?}");
    ensure!(reply.header("content-encoding").is_none(), "Content-Encoding present");
    Ok(&reply.body)
}

/// Takes a rejection apart: it must hold this failInfo, a statusString, and no token (A1.17, A1.18).
///
/// # Errors
/// Naming what is otherwise.
pub fn rejected(reply: &HttpReply, failure: &[u8]) -> Result<()> {
    let response = Value::read(body(reply)?)?.expect_tag(der::SEQUENCE)?;
    response.check_canonical()?;
    let [status_info] = response.children()?.try_into().map_err(|parts: Vec<_>| {
        anyhow::anyhow!("a rejection holds the status alone, this one {} parts", parts.len())
    })?;
    let fields = status_info.expect_tag(der::SEQUENCE)?.children()?;
    let [status, texts, fail_info] = fields.as_slice() else {
        anyhow::bail!("PKIStatusInfo with {} fields", fields.len())
    };
    ensure!(
        fail_info.encoded == failure,
        "failInfo {:02x?} where {failure:02x?} should be",
        fail_info.encoded
    );
    ensure!(status.encoded == [0x02, 0x01, 0x02], "status {:02x?}, rejection(2) expected", status.encoded);
    let text = texts.expect_tag(der::SEQUENCE)?.child(0)?.expect_tag(der::UTF8_STRING)?;
    let text = std::str::from_utf8(text.content)?;
    ensure!(text.len() > 4, "statusString says nothing: {text:?}");
    for internal in ["CKR_", "C_Sign", "panicked", ".rs", "/tmp"] {
        ensure!(!text.contains(internal), "statusString shows an internal: {text:?}");
    }
    Ok(())
}

/// Takes a granted reply apart, checking on the way what never varies.
///
/// # Errors
/// Naming what is otherwise.
pub fn granted(reply: &HttpReply) -> Result<Granted> {
    granted_der(body(reply)?)
}

/// [`granted`] of a TimeStampResp that came another way.
///
/// # Errors
/// Naming what is otherwise.
pub fn granted_der(response: &[u8]) -> Result<Granted> {
    let response = Value::read(response)?.expect_tag(der::SEQUENCE)?;
    response.check_canonical()?;
    let status = response.child(0)?.child(0)?;
    ensure!(status.encoded == [0x02, 0x01, 0x00], "PKIStatusInfo {:02x?}", response.child(0)?.encoded);
    let token = response.child(1)?;
    ensure!(token.child(0)?.encoded == der::oid("1.2.840.113549.1.7.2")?, "not SignedData");
    let signed_data = token.child(1)?.expect_tag(der::CONTEXT_0)?.child(0)?;
    let fields = signed_data.children()?;
    let [version, _digest_algorithms, encapsulated, rest @ ..] = fields.as_slice() else {
        anyhow::bail!("SignedData with {} fields", fields.len())
    };
    ensure!(version.encoded == [0x02, 0x01, 0x03], "SignedData version {:02x?}", version.encoded);
    ensure!(encapsulated.child(0)?.encoded == der::oid("1.2.840.113549.1.9.16.1.4")?, "eContentType");
    let tst_info = encapsulated.child(1)?.child(0)?.expect_tag(der::OCTET_STRING)?.content;
    let certificates = rest.iter().find(|field| field.tag == der::CONTEXT_0);
    let signer_infos = rest.last().context("no signerInfos")?.expect_tag(der::SET)?.children()?;
    if let Some(certificates) = certificates {
        // Implicitly tagged: the reader cannot see that it is a SET.
        let sorted = certificates.children()?.is_sorted_by_key(|certificate| certificate.encoded);
        ensure!(sorted, "certificates not in DER order");
    }
    let mut granted = tst_info_fields(tst_info)?;
    granted.token = token.encoded.to_vec();
    granted.certificates = certificates.map(|field| field.encoded.to_vec());
    granted.signer_infos = signer_infos.iter().map(|info| info.encoded.to_vec()).collect();
    Ok(granted)
}

fn tst_info_fields(tst_info: &[u8]) -> Result<Granted> {
    let value = Value::read(tst_info)?.expect_tag(der::SEQUENCE)?;
    value.check_canonical()?;
    let fields = value.children()?;
    let [version, policy, message_imprint, serial, gen_time, optional @ ..] = fields.as_slice() else {
        anyhow::bail!("TSTInfo with {} fields", fields.len())
    };
    ensure!(version.encoded == [0x02, 0x01, 0x01], "TSTInfo version {:02x?}", version.encoded);
    let of_tag = |tag: u8| optional.iter().find(|field| field.tag == tag).map(|field| field.encoded.to_vec());
    ensure!(of_tag(der::BOOLEAN).is_none(), "ordering present: DER does not encode FALSE");
    Ok(Granted {
        token: Vec::new(),
        tst_info: tst_info.to_vec(),
        policy: policy.expect_tag(der::OBJECT_IDENTIFIER)?.encoded.to_vec(),
        message_imprint: message_imprint.expect_tag(der::SEQUENCE)?.encoded.to_vec(),
        serial: serial.expect_tag(der::INTEGER)?.content.to_vec(),
        gen_time: String::from_utf8(gen_time.expect_tag(der::GENERALIZED_TIME)?.content.to_vec())?,
        accuracy: of_tag(der::SEQUENCE),
        nonce: of_tag(der::INTEGER),
        certificates: None,
        signer_infos: Vec::new(),
    })
}

/// A serial number as RFC 3161 and our own rule want it: positive, at most 20 octets.
///
/// # Errors
/// When it is not.
pub fn check_serial(serial: &[u8]) -> Result<()> {
    let first = serial.first().context("empty serial number")?;
    ensure!(serial.len() <= 20 && *first < 0x80 && serial != [0], "serial number {serial:02x?}");
    Ok(())
}

/// genTime in seconds of Unix time; it must have whole seconds and end in Z, as the default profile has it.
///
/// # Errors
/// When it does not.
pub fn unix_seconds(gen_time: &str) -> Result<i64> {
    let digits =
        gen_time.strip_suffix('Z').with_context(|| format!("genTime {gen_time:?} does not end in Z"))?;
    ensure!(digits.len() == 14 && digits.bytes().all(|b| b.is_ascii_digit()), "genTime {gen_time:?}");
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits)?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_second())
}
