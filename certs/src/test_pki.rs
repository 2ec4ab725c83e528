//! Certificates and revocation lists for the tests of this crate, made by `rcgen`: a root, an intermediate and a TSU's,
//! each with the one thing changed that a test is about.

use hex_literal::hex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CustomExtension,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::RevocationList;

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

/// `ExtKeyUsageSyntax` of timeStamping alone.
pub(crate) const TIME_STAMPING_ONLY: [u8; 12] = hex!("300a 0608 2b06010505070308");
pub(crate) const LEAF_SERIAL: [u8; 3] = [0x5a, 1, 2];
pub(crate) const INTERMEDIATE_SERIAL: [u8; 2] = [0x22, 7];

/// Noon of a day, UTC.
pub(crate) fn noon(year: i32, month: u8, day: u8) -> UnixTime {
    let midnight = date_time_ymd(year, month, day).unix_timestamp();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(midnight).unwrap() + 43_200))
}

pub(crate) fn extended_key_usage(content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 37], content.to_vec());
    extension.set_criticality(critical);
    extension
}

fn params(name: &str, from_year: i32, to_year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from_year, 1, 1);
    params.not_after = date_time_ymd(to_year, 1, 1);
    params
}

/// A root valid from 2020 to 2040.
pub(crate) fn root(change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let mut params = params("Test root", 2020, 2040);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    change(&mut params);
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap())
        .unwrap()
}

/// An intermediate CA valid from 2021 to 2035.
pub(crate) fn intermediate(
    name: &str,
    issuer: &Issuer<'_, KeyPair>,
    change: impl FnOnce(&mut CertificateParams),
) -> Authority {
    let mut params = params(name, 2021, 2035);
    params.serial_number = Some(SerialNumber::from_slice(&INTERMEDIATE_SERIAL));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.custom_extensions = vec![extended_key_usage(&TIME_STAMPING_ONLY, false)];
    change(&mut params);
    CertifiedIssuer::signed_by(params, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(), issuer)
        .unwrap()
}

/// The certificate of a TSU, valid from 2022 to 2030.
pub(crate) fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateDer<'static> {
    let mut params = params("Test TSU", 2022, 2030);
    params.serial_number = Some(SerialNumber::from_slice(&LEAF_SERIAL));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = vec![extended_key_usage(&TIME_STAMPING_ONLY, true)];
    change(&mut params);
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    params.signed_by(&key, issuer).unwrap().der().clone()
}

/// A revocation list of 2026-01-01 that ends in 2027, with the serial numbers revoked on 2025-07-01.
pub(crate) fn crl(
    issuer: &Issuer<'_, KeyPair>,
    revoked: &[(&[u8], Option<RevocationReason>)],
) -> RevocationList {
    let revoked_certs = revoked
        .iter()
        .map(|(serial, reason_code)| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: date_time_ymd(2025, 7, 1),
            reason_code: *reason_code,
            invalidity_date: None,
        })
        .collect();
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2027, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    RevocationList::parse(params.signed_by(issuer).unwrap().der()).unwrap()
}
