//! Every row of the table "request -> response" of RFC 3161 §2.4, byte for byte over HTTP (A1.1 to A1.18).
//!
//! A1.7 (addInfoNotAvailable) has no request that reaches it while no extension is known; A1.8 (timeNotAvailable) needs a
//! clock that fails: both are tested beside the code with what they need. A1.9 is in `softhsm.rs` and `expiry.rs`, where
//! the token and the key's period can be made to fail.

use anyhow::{Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::der::{self, Value, tlv};
use attestamp_interop_tests::reply::{self, Granted, failure};
use attestamp_interop_tests::request::{self, Request, SHA_256, cert_req, imprint, integer};

struct Running {
    authority: Authority,
    _folder: DataFolder,
}

impl Running {
    fn start() -> Result<Self> {
        let folder = DataFolder::with_default_tsu()?;
        Ok(Self { authority: folder.serve()?, _folder: folder })
    }

    fn granted(&self, request: &Request) -> Result<Granted> {
        reply::granted(&self.authority.post("/tsa", &request.encoded())?)
    }

    fn rejected(&self, what: &str, request: &[u8], failure: &[u8]) -> Result<()> {
        reply::rejected(&self.authority.post("/tsa", request)?, failure)
            .map_err(|error| error.context(what.to_owned()))?;
        // Each must leave the next good request served.
        self.granted(&Request::of(b"the next one")?)?;
        Ok(())
    }
}

fn request() -> Result<Request> {
    Request::of(b"what is stamped")
}

#[test]
fn a1_1_imprint_is_echoed_with_parameters_null_or_absent() -> Result<()> {
    let running = Running::start()?;
    for parameters in [tlv(der::NULL, &[]), Vec::new()] {
        let mut request = request()?;
        request.message_imprint = imprint(SHA_256, &parameters, &[0xA5; 32])?;
        let granted = running.granted(&request)?;
        ensure!(granted.message_imprint == request.message_imprint, "{:02x?}", granted.message_imprint);
    }
    Ok(())
}

#[test]
fn a1_1_every_hash_of_the_default_profile() -> Result<()> {
    let running = Running::start()?;
    for (last_arc, length) in [(1, 32), (2, 48), (3, 64), (8, 32), (9, 48), (10, 64)] {
        let mut request = request()?;
        let algorithm = format!("2.16.840.1.101.3.4.2.{last_arc}");
        request.message_imprint = imprint(&algorithm, &[], &vec![0x5A; length])?;
        let granted = running.granted(&request)?;
        ensure!(granted.message_imprint == request.message_imprint, "{algorithm}");
    }
    Ok(())
}

#[test]
fn a1_2_other_versions_are_a_bad_request() -> Result<()> {
    let running = Running::start()?;
    for version in [&[0][..], &[2], &[3], &[0xFF], &[1, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let request = Request { version: integer(version), ..request()? };
        running.rejected(&format!("version {version:02x?}"), &request.encoded(), failure::BAD_REQUEST)?;
    }
    Ok(())
}

#[test]
fn a1_3_imprint_of_another_length_is_bad_data() -> Result<()> {
    let running = Running::start()?;
    for length in [0, 1, 20, 31, 33, 64] {
        let mut request = request()?;
        request.message_imprint = imprint(SHA_256, &tlv(der::NULL, &[]), &vec![1; length])?;
        running.rejected(&format!("{length} octets"), &request.encoded(), failure::BAD_DATA_FORMAT)?;
    }
    Ok(())
}

#[test]
fn a1_4_unknown_and_weak_hashes_are_bad_algorithms() -> Result<()> {
    let running = Running::start()?;
    let algorithms =
        [("unknown", "1.2.3.4.5", 32), ("MD5", "1.2.840.113549.2.5", 16), ("SHA-1", "1.3.14.3.2.26", 20)];
    for (name, algorithm, length) in algorithms {
        let mut request = request()?;
        request.message_imprint = imprint(algorithm, &tlv(der::NULL, &[]), &vec![1; length])?;
        running.rejected(name, &request.encoded(), failure::BAD_ALG)?;
    }
    Ok(())
}

#[test]
fn a1_5_a_policy_that_is_not_offered_is_refused_and_one_that_is_comes_back() -> Result<()> {
    let running = Running::start()?;
    let offered = running.granted(&request()?)?.policy;
    let with_offered = Request { policy: offered.clone(), ..request()? };
    ensure!(running.granted(&with_offered)?.policy == offered);
    let other = Request { policy: der::oid("1.2.3.4")?, ..request()? };
    running.rejected("policy 1.2.3.4", &other.encoded(), failure::UNACCEPTED_POLICY)
}

#[test]
fn a1_6_unknown_extensions_are_refused_critical_or_not() -> Result<()> {
    let running = Running::start()?;
    for critical in [true, false] {
        let extensions = request::extension("1.2.3.4.5", critical, &tlv(der::NULL, &[]))?;
        let request = Request { extensions, ..request()? };
        let what = format!("critical {critical}");
        running.rejected(&what, &request.encoded(), failure::UNACCEPTED_EXTENSION)?;
    }
    Ok(())
}

#[test]
fn a1_10_what_cannot_be_parsed_is_bad_data() -> Result<()> {
    let running = Running::start()?;
    let good = request()?.encoded();
    for length in 0..good.len() {
        let cut = good.get(..length).unwrap_or_default();
        running.rejected(&format!("cut to {length} octets"), cut, failure::BAD_DATA_FORMAT)?;
    }
    let malformed: [(&str, Vec<u8>); 6] = [
        ("garbage", b"GET / HTTP/1.1".to_vec()),
        ("indefinite length", [&[0x30, 0x80], good.get(2..).unwrap_or_default(), &[0, 0]].concat()),
        ("non-minimal version", Request { version: integer(&[0, 1]), ..request()? }.encoded()),
        ("non-minimal nonce", Request { nonce: integer(&[0, 1]), ..request()? }.encoded()),
        ("negative non-minimal nonce", Request { nonce: integer(&[0xFF, 0x80]), ..request()? }.encoded()),
        ("empty nonce", Request { nonce: integer(&[]), ..request()? }.encoded()),
    ];
    for (what, bytes) in malformed {
        running.rejected(what, &bytes, failure::BAD_DATA_FORMAT)?;
    }
    Ok(())
}

#[test]
fn a1_11_trailing_bytes_and_lax_booleans_are_bad_data() -> Result<()> {
    let running = Running::start()?;
    let good = request()?.encoded();
    let mut trailing = good.clone();
    trailing.push(0);
    let malformed: [(&str, Vec<u8>); 5] = [
        ("trailing byte", trailing),
        ("two requests", [good.as_slice(), &good].concat()),
        ("BOOLEAN 01", Request { cert_req: tlv(der::BOOLEAN, &[&[1]]), ..request()? }.encoded()),
        ("BOOLEAN of two", Request { cert_req: tlv(der::BOOLEAN, &[&[0xFF, 0xFF]]), ..request()? }.encoded()),
        ("certReq FALSE", Request { cert_req: tlv(der::BOOLEAN, &[&[0]]), ..request()? }.encoded()),
    ];
    for (what, bytes) in malformed {
        running.rejected(what, &bytes, failure::BAD_DATA_FORMAT)?;
    }
    Ok(())
}

#[test]
fn a1_12_nonces_are_echoed_byte_for_byte() -> Result<()> {
    let running = Running::start()?;
    let mut of_160_bits = [0xC3; 20];
    of_160_bits[0] = 0x43;
    let nonces: [&[u8]; 8] = [
        &[0],
        &[0xFF],
        &[0x80, 0, 0, 0, 0, 0, 0, 1],
        &[0x7F, 1, 2, 3, 4, 5, 6, 7],
        &[0, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA, 0xF9, 0xF8],
        &of_160_bits,
        &[0x11; 32],
        &[0x22; 64],
    ];
    for nonce in nonces {
        let request = Request { nonce: integer(nonce), ..request()? };
        ensure!(
            running.granted(&request)?.nonce.as_deref() == Some(request.nonce.as_slice()),
            "{nonce:02x?}"
        );
    }
    Ok(())
}

#[test]
fn a1_13_a_nonce_above_64_octets_is_a_bad_request() -> Result<()> {
    let running = Running::start()?;
    let request = Request { nonce: integer(&[0x22; 65]), ..request()? };
    running.rejected("65 octets", &request.encoded(), failure::BAD_REQUEST)
}

#[test]
fn a1_14_without_a_nonce_none_comes_back() -> Result<()> {
    let running = Running::start()?;
    let granted = running.granted(&Request { nonce: Vec::new(), ..request()? })?;
    ensure!(granted.nonce.is_none());
    Ok(())
}

#[test]
fn a1_15_and_a1_16_certificates_come_when_asked_for_and_only_then() -> Result<()> {
    let running = Running::start()?;
    let granted = running.granted(&Request { cert_req: cert_req(), ..request()? })?;
    let certificates = granted.certificates.ok_or_else(|| anyhow::anyhow!("no certificates"))?;
    let certificates = Value::read(&certificates)?.children()?;
    ensure!(certificates.len() == 2, "{} certificates, TSU and intermediate expected", certificates.len());
    for certificate in certificates {
        // TBSCertificate { [0] version, serial, signature, issuer, validity, subject, … }
        let to_be_signed = certificate.child(0)?;
        ensure!(to_be_signed.child(3)? != to_be_signed.child(5)?, "the root is in the token");
    }
    ensure!(running.granted(&request()?)?.certificates.is_none(), "certificates without certReq");
    Ok(())
}

#[test]
fn tst_info_and_signed_data_have_the_form_of_the_default_profile() -> Result<()> {
    let running = Running::start()?;
    let granted = running.granted(&request()?)?;
    reply::check_serial(&granted.serial)?;
    reply::unix_seconds(&granted.gen_time)?;
    let accuracy = granted.accuracy.ok_or_else(|| anyhow::anyhow!("no accuracy"))?;
    // Two whole seconds: genTime is cut to the second, and the clock's own error comes on top.
    ensure!(accuracy == [0x30, 0x03, 0x02, 0x01, 0x02], "accuracy {accuracy:02x?}, two seconds expected");
    let [signer_info] = granted.signer_infos.as_slice() else {
        anyhow::bail!("{} SignerInfos", granted.signer_infos.len())
    };
    let signer_info = Value::read(signer_info)?;
    ensure!(signer_info.child(0)?.encoded == [0x02, 0x01, 0x01], "SignerInfo version");
    signer_info.child(1)?.expect_tag(der::SEQUENCE)?; // issuerAndSerialNumber
    let signed_attributes = signer_info.child(3)?.expect_tag(der::CONTEXT_0)?;
    let mut types = Vec::new();
    for attribute in signed_attributes.children()? {
        types.push(attribute.child(0)?.encoded);
        ensure!(attribute.child(1)?.expect_tag(der::SET)?.children()?.len() == 1, "one value each");
    }
    for required in ["1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.16.2.47"] {
        ensure!(types.contains(&der::oid(required)?.as_slice()), "no attribute {required}");
    }
    Ok(())
}
