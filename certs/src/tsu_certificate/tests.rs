//! A certificate that satisfies every rule, and each rule broken alone.

use hex_literal::hex;
use rcgen::{CertificateParams, CustomExtension, IsCa, KeyUsagePurpose};

use super::*;
use crate::test_pki::{LEAF_SERIAL, TIME_STAMPING_ONLY, extended_key_usage, leaf, noon, root};

fn parse(change: impl FnOnce(&mut CertificateParams)) -> Result<TsuCertificate, TsuCertificateInvalid> {
    let root = root(|_| {});
    TsuCertificate::parse(&leaf(&root, change))
}

/// `PrivateKeyUsagePeriod` from 2022-01-01 to the year given.
fn private_key_usage(until_year: &[u8; 4]) -> CustomExtension {
    let mut content = hex!("3022 800f 32303232303130313030303030305a 810f").to_vec();
    content.extend_from_slice(until_year);
    content.extend_from_slice(b"0101000000Z");
    CustomExtension::from_oid_content(&[2, 5, 29, 16], content)
}

#[test]
fn a_good_certificate_gives_its_fields() {
    let certificate = parse(|params| {
        params.custom_extensions.push(private_key_usage(b"2024"));
        params.subject_alt_names = vec![rcgen::SanType::DnsName("tsa.example".try_into().unwrap())];
    })
    .unwrap();
    assert_eq!(certificate.subject(), "CN=Test TSU");
    assert_eq!(certificate.issuer(), "CN=Test root");
    assert_eq!(certificate.serial(), LEAF_SERIAL);
    assert_eq!(Utc(certificate.not_before()).to_string(), "2022-01-01T00:00:00Z");
    assert_eq!(Utc(certificate.not_after()).to_string(), "2030-01-01T00:00:00Z");
    assert!(certificate.private_key_usage_not_before().is_some_and(|begin| begin < noon(2022, 1, 1)));
    assert_eq!(Utc(certificate.private_key_usage_not_after().unwrap()).to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(certificate.spki_der()[..2], hex!("302a"));
    let directory_name = [&hex!("a4 15")[..], certificate.subject_der()].concat();
    assert!(certificate.has_name(&directory_name));
    assert!(certificate.has_name(b"\x82\x0btsa.example"));
    assert!(!certificate.has_name(b"\x82\x0btsb.example"));
}

#[test]
fn both_signing_usages_and_no_usage_are_allowed() {
    parse(|params| params.key_usages.push(KeyUsagePurpose::ContentCommitment)).unwrap();
    parse(|params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment]).unwrap();
    parse(|params| params.key_usages.clear()).unwrap();
}

#[test]
fn any_other_key_usage_is_refused() {
    for usage in [KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::CrlSign] {
        let error = parse(|params| params.key_usages.push(usage)).unwrap_err();
        assert!(matches!(error, TsuCertificateInvalid::KeyUsage), "{error}");
    }
}

#[test]
fn the_extended_key_usage_is_there_critical_and_alone() {
    let error = parse(|params| params.custom_extensions.clear()).unwrap_err();
    assert!(matches!(error, TsuCertificateInvalid::NoExtendedKeyUsage), "{error}");
    let error =
        parse(|params| params.custom_extensions = vec![extended_key_usage(&TIME_STAMPING_ONLY, false)])
            .unwrap_err();
    assert!(matches!(error, TsuCertificateInvalid::ExtendedKeyUsageNotCritical), "{error}");
    let two = hex!("3014 0608 2b06010505070308 0608 2b06010505070303");
    let error = parse(|params| params.custom_extensions = vec![extended_key_usage(&two, true)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate's extended key usage is 1.3.6.1.5.5.7.3.8, 1.3.6.1.5.5.7.3.3; it must be timeStamping and \
         nothing else"
    );
}

#[test]
fn a_ca_is_refused() {
    let error = parse(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)).unwrap_err();
    assert!(matches!(error, TsuCertificateInvalid::IsAuthority), "{error}");
}

#[test]
fn periods_that_end_before_they_begin_are_refused() {
    let error = parse(|params| params.not_after = rcgen::date_time_ymd(2021, 1, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate's validity ends at 2021-01-01T00:00:00Z and begins at 2022-01-01T00:00:00Z"
    );
    let error = parse(|params| params.custom_extensions.push(private_key_usage(b"2021"))).unwrap_err();
    assert!(
        matches!(
            error,
            TsuCertificateInvalid::PeriodEndsBeforeItBegins { period: Period::PrivateKeyUsage, .. }
        ),
        "{error}"
    );
}

#[test]
fn an_extension_that_occurs_twice_is_refused() {
    let error = parse(|params| params.custom_extensions.push(extended_key_usage(&TIME_STAMPING_ONLY, true)))
        .unwrap_err();
    assert!(matches!(error, TsuCertificateInvalid::DuplicateExtension { .. }), "{error}");
}

#[test]
fn what_is_not_der_is_refused() {
    let good = leaf(&root(|_| {}), |_| {});
    TsuCertificate::parse(&good).unwrap();
    let trailing = [good.as_ref(), &[0]].concat();
    let truncated = &good[..good.len() - 1];
    for der in [&trailing[..], truncated, &[], &[0x30, 0x80, 0, 0]] {
        let error = TsuCertificate::parse(der).unwrap_err();
        assert!(matches!(error, TsuCertificateInvalid::Malformed { .. }), "{error}");
    }
    let large = vec![0x30; MAX_CERTIFICATE_OCTETS + 1];
    assert!(matches!(TsuCertificate::parse(&large), Err(TsuCertificateInvalid::TooLarge { .. })));
}

#[test]
fn a_default_that_is_written_out_is_not_der() {
    // basicConstraints, `critical TRUE` (as rcgen writes it), made `critical FALSE`: a DEFAULT, which DER leaves out.
    let good = leaf(&root(|_| {}), |_| {});
    let written = hex!("0603 551d13 0101 ff");
    let at = good.windows(written.len()).position(|window| window == written).unwrap();
    let mut changed = good.as_ref().to_vec();
    changed[at + written.len() - 1] = 0;
    let error = TsuCertificate::parse(&changed).unwrap_err();
    assert!(matches!(error, TsuCertificateInvalid::NotDer), "{error}");
}

#[test]
fn no_flipped_octet_panics() {
    let good = leaf(&root(|_| {}), |_| {});
    for at in 0..good.len() {
        let mut changed = good.as_ref().to_vec();
        changed[at] ^= 0x21;
        let _ = TsuCertificate::parse(&changed);
    }
}
