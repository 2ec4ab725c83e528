//! The extensions of an attestation hierarchy's certificates, each a whole `Extension` in DER.
//!
//! Which certificate has which of them is decided in [`super`].

use attestamp_strict_der::{element, tag};

use crate::certificate::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, SUBJECT_KEY_IDENTIFIER,
};
use crate::claims::Platform;
use crate::oid::{DEVICE_PLATFORM, KEY_ATTESTATION};

/// keyUsage keyCertSign.
pub(crate) const KEY_CERT_SIGN: [u8; 4] = hex_literal::hex!("03020204");
/// keyUsage digitalSignature and keyCertSign (D3).
pub(crate) const KEY_CERT_SIGN_AND_DIGITAL_SIGNATURE: [u8; 4] = hex_literal::hex!("03020284");
/// keyUsage digitalSignature.
pub(crate) const DIGITAL_SIGNATURE: [u8; 4] = hex_literal::hex!("03020780");

const CRITICAL: [u8; 3] = [tag::BOOLEAN, 1, 0xff];

/// An extension; a FALSE `critical` is the default, which DER leaves out.
pub(crate) fn extension(identifier: &[u8], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let identifier = element(tag::OBJECT_IDENTIFIER, &[identifier]);
    let critical: &[u8] = if is_critical { &CRITICAL } else { &[] };
    element(tag::SEQUENCE, &[&identifier, critical, &element(tag::OCTET_STRING, &[value])])
}

/// basicConstraints CA TRUE, critical (RFC 5280 §4.2.1.9).
pub(crate) fn certificate_authority(path_length: Option<u8>) -> Vec<u8> {
    // Path lengths here are below 128, so that one octet is the INTEGER's shortest form.
    let path_length = path_length.map(|length| element(tag::INTEGER, &[&[length & 0x7f]]));
    let value = element(tag::SEQUENCE, &[&CRITICAL, &path_length.unwrap_or_default()]);
    extension(&BASIC_CONSTRAINTS, true, &value)
}

/// keyUsage, critical, with one of the values above.
pub(crate) fn key_usage(bits: &[u8; 4]) -> Vec<u8> {
    extension(&KEY_USAGE, true, bits)
}

/// extKeyUsage with one purpose, critical (D2).
pub(crate) fn only_for(purpose: &[u8]) -> Vec<u8> {
    let purpose = element(tag::OBJECT_IDENTIFIER, &[purpose]);
    extension(&EXTENDED_KEY_USAGE, true, &element(tag::SEQUENCE, &[&purpose]))
}

pub(crate) fn subject_key_identifier(identifier: &[u8]) -> Vec<u8> {
    extension(&SUBJECT_KEY_IDENTIFIER, false, &element(tag::OCTET_STRING, &[identifier]))
}

pub(crate) fn authority_key_identifier(identifier: &[u8]) -> Vec<u8> {
    let identifier = element(tag::CONTEXT_0_PRIMITIVE, &[identifier]);
    extension(&AUTHORITY_KEY_IDENTIFIER, false, &element(tag::SEQUENCE, &[&identifier]))
}

/// The token's names, not critical: a CA or a verifier that does not know the extension must not stumble over it.
pub(crate) fn device_platform(platform: &Platform) -> Vec<u8> {
    extension(&DEVICE_PLATFORM, false, &platform.to_der())
}

/// A key's claims, not critical (D1).
pub(crate) fn key_attestation(claims_der: &[u8]) -> Vec<u8> {
    extension(&KEY_ATTESTATION, false, claims_der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn encodings_are_those_of_rfc_5280() {
        for (extension, expected) in [
            (certificate_authority(None), hex!("300f 0603551d13 0101ff 0405 3003 0101ff").as_slice()),
            (certificate_authority(Some(1)), &hex!("3012 0603551d13 0101ff 0408 3006 0101ff 020101")),
            (key_usage(&KEY_CERT_SIGN), &hex!("300e 0603551d0f 0101ff 0404 03020204")),
            (key_usage(&KEY_CERT_SIGN_AND_DIGITAL_SIGNATURE), &hex!("300e 0603551d0f 0101ff 0404 03020284")),
            (key_usage(&DIGITAL_SIGNATURE), &hex!("300e 0603551d0f 0101ff 0404 03020780")),
            (only_for(&hex!("2a03")), &hex!("3010 0603551d25 0101ff 0406 3004 06022a03")),
            (subject_key_identifier(&[7, 8]), &hex!("300b 0603551d0e 0404 04020708")),
            (authority_key_identifier(&[7, 8]), &hex!("300d 0603551d23 0406 3004 80020708")),
        ] {
            assert_eq!(extension, expected);
        }
    }
}
