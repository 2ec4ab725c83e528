//! A real device's evidence, made evidence for what none could be had of, and everything that must be refused.

use std::time::Duration;

use attestamp_certs::pem::certificates_from_pem;
use attestamp_strict_der::{element, tag};
use hex_literal::hex;

use super::made::{Attested, Key, Made, Vendor, basic_constraints, key_usage, pem, yubico};
use super::*;
use crate::CertificateInvalid;
use crate::evidence::{VendorChainInvalid, verify_evidence};
use crate::oid::YUBIHSM2_EVIDENCE;

const REAL_EVIDENCE: &str = include_str!("vectors/hsm-31650425-key-7e57.pem");
const YUBICO_ROOT: &str = include_str!("vectors/yubico-yubihsm-root-ca.pem");

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

fn real() -> (Vec<CertificateDer<'static>>, Vec<u8>, Vec<CertificateDer<'static>>) {
    let chain = certificates_from_pem(REAL_EVIDENCE).unwrap();
    let spki_der = Certificate::parse(&chain[0]).unwrap().spki_der().to_vec();
    (chain, spki_der, certificates_from_pem(YUBICO_ROOT).unwrap())
}

/// Judges made evidence about the made key against the made root.
fn judge(chain: &[CertificateDer<'_>]) -> Result<DeviceStatement, EvidenceError> {
    let vendor = Vendor::new();
    verify(&pem(chain), &vendor.attested.spki_der(), &[vendor.root_certificate()], at(NOW))
}

fn refused(chain: &[CertificateDer<'_>]) -> EvidenceError {
    let error = judge(chain).unwrap_err();
    assert!(!error.is_unjudgeable(), "{error:?}");
    error
}

fn chain_refused(chain: &[CertificateDer<'_>]) -> VendorChainInvalid {
    let error = refused(chain);
    let EvidenceError::Chain(invalid) = error else { panic!("{error:?}") };
    invalid
}

fn statement_refused(extensions: Vec<Vec<u8>>) -> YubiHsm2Invalid {
    let error = refused(&Vendor::new().chain(extensions));
    let EvidenceError::YubiHsm2(invalid) = error else { panic!("{error:?}") };
    invalid
}

#[test]
fn a_real_device_s_word() {
    let (_, spki_der, roots) = real();
    let statement =
        verify_evidence(&YUBIHSM2_EVIDENCE, REAL_EVIDENCE.as_bytes(), &spki_der, &roots, at(NOW)).unwrap();
    assert!(statement.is_acceptable());
    let expected = DeviceStatement {
        format: EvidenceFormat::YubiHsm2,
        serial: "31650425".to_owned(),
        firmware: "2.4.0".to_owned(),
        object_id: vec![0x7e, 0x57],
        label: "hsmaudit-test".to_owned(),
        origin: KeyOrigin::Generated,
        domains: vec![1],
        capabilities: vec![DeviceCapability::Known("sign-ecdsa")],
        shortcomings: Vec::new(),
    };
    assert_eq!(statement, expected);
}

#[test]
fn d9_only_a_pinned_root_counts() {
    let (chain, spki_der, roots) = real();
    let verify = |evidence: &[u8], roots: &[CertificateDer<'_>]| verify(evidence, &spki_der, roots, at(NOW));
    let unpinned = verify(REAL_EVIDENCE.as_bytes(), &[]).unwrap_err();
    assert!(matches!(unpinned, EvidenceError::NoRootPinned), "{unpinned:?}");
    assert!(unpinned.is_unjudgeable());

    let other = verify(REAL_EVIDENCE.as_bytes(), &[Vendor::new().root_certificate()]).unwrap_err();
    assert!(matches!(other, EvidenceError::Chain(VendorChainInvalid::OtherRoot)), "{other:?}");
    assert!(!other.is_unjudgeable());

    // The root in the evidence changes nothing.
    let with_root = pem(&[chain.clone(), roots.clone()].concat());
    assert!(matches!(verify(&with_root, &[]), Err(EvidenceError::NoRootPinned)));
    assert!(verify(&with_root, &roots).is_ok());
    assert!(verify(&with_root, &[Vendor::new().root_certificate()]).is_err());
    // Several pins: one of them is enough.
    let several = [Vendor::new().root_certificate(), roots[0].clone()];
    assert!(verify(REAL_EVIDENCE.as_bytes(), &several).is_ok());

    let impostor = Made {
        subject: "made root",
        issuer: "made root",
        spki_der: Key::new(9).spki_der(),
        extensions: vec![basic_constraints(2)],
    };
    let vendor = Vendor::new();
    let made = pem(&vendor.chain(Attested::good().extensions()));
    let pinned = [impostor.signed_by(&Key::new(9))];
    let error = super::verify(&made, &vendor.attested.spki_der(), &pinned, at(NOW)).unwrap_err();
    assert!(matches!(error, EvidenceError::Chain(VendorChainInvalid::Signature { position: 3, .. })));
}

#[test]
fn a_pin_that_cannot_be_read_is_no_fault_of_the_evidence_and_hides_none() {
    let vendor = Vendor::new();
    let no_certificate = [CertificateDer::from(vec![0x30, 0])];
    let judge = |extensions| {
        let evidence = pem(&vendor.chain(extensions));
        verify(&evidence, &vendor.attested.spki_der(), &no_certificate, at(NOW)).unwrap_err()
    };
    let error = judge(Attested::good().extensions());
    assert!(matches!(error, EvidenceError::RootInvalid { position: 1, .. }), "{error:?}");
    assert!(error.is_unjudgeable());
    assert!(!judge(Vec::new()).is_unjudgeable());
}

#[test]
fn d8_validity_is_judged_at_the_auditor_s_time() {
    let (_, spki_der, roots) = real();
    let judge = |seconds| verify(REAL_EVIDENCE.as_bytes(), &spki_der, &roots, at(seconds));
    // 2017-01-01T00:00:00Z and 2071-10-05T00:00:00Z.
    let (first, last) = (1_483_228_800, 3_211_228_800);
    assert!(judge(first).is_ok() && judge(last).is_ok());
    for outside in [first - 1, last + 1] {
        let error = judge(outside).unwrap_err();
        let expected = VendorChainInvalid::NotValid {
            position: 1,
            at: at(outside),
            not_before: at(first),
            not_after: at(last),
        };
        assert!(matches!(&error, EvidenceError::Chain(found) if *found == expected), "{error:?}");
    }
}

#[test]
fn d7_another_key_is_refused() {
    let (_, _, roots) = real();
    let other = Key::new(7).spki_der();
    let error = verify(REAL_EVIDENCE.as_bytes(), &other, &roots, at(NOW)).unwrap_err();
    assert!(matches!(error, EvidenceError::OtherKey));
    assert!(!error.is_unjudgeable());
}

#[test]
fn no_flipped_bit_of_a_real_certificate_holds() {
    let (chain, spki_der, roots) = real();
    for certificate in 0..chain.len() {
        for octet in 0..chain[certificate].len() {
            let mut flipped = chain.clone();
            let mut der = flipped[certificate].to_vec();
            der[octet] ^= 1 << (octet % 8);
            flipped[certificate] = CertificateDer::from(der);
            let error = verify(&pem(&flipped), &spki_der, &roots, at(NOW)).unwrap_err();
            assert!(!error.is_unjudgeable(), "octet {octet} of certificate {certificate}: {error:?}");
        }
    }
}

#[test]
fn every_field_is_reported_as_the_device_gives_it() {
    let good = Attested::good();
    let fields = Attested {
        firmware: [2, 10, 255],
        domains: 0x8005,
        capabilities: 0x60,
        object_id: 0xd353,
        label: "Ünï",
        ..good.clone()
    };
    let statement = judge(&Vendor::new().chain(fields.extensions())).unwrap();
    assert_eq!(statement.serial, "31000001");
    assert_eq!(statement.firmware, "2.10.255");
    assert_eq!(statement.domains, [1, 3, 16]);
    assert_eq!(statement.object_id, hex!("d353"));
    assert_eq!(statement.label, "Ünï");
    assert_eq!(statement.capabilities, ["sign-pkcs", "sign-pss"].map(DeviceCapability::Known));
    assert!(statement.is_acceptable());

    // An object id with its first bit set, in two octets: there is no negative one.
    let mut extensions = good.extensions();
    extensions[5] = yubico(YubicoExtension::ObjectId, &hex!("0202d353"));
    assert_eq!(judge(&Vendor::new().chain(extensions)).unwrap().object_id, hex!("d353"));
    let unlabelled = Attested { label: "", ..good };
    assert_eq!(judge(&Vendor::new().chain(unlabelled.extensions())).unwrap().label, "");
}

#[test]
fn d6_in_the_device_s_terms() {
    let shortcomings = |origin, capabilities| {
        let attested = Attested { origin, capabilities, ..Attested::good() };
        let statement = judge(&Vendor::new().chain(attested.extensions())).unwrap();
        assert_eq!(statement.is_acceptable(), statement.shortcomings.is_empty());
        statement.shortcomings
    };
    let not_generated = |found| vec![DeviceShortcoming::NotGenerated { found }];
    let may = |capability| vec![DeviceShortcoming::MayDoMore { capability }];
    let known = |name| may(DeviceCapability::Known(name));

    for capabilities in [0x20, 0x40, 0x80, 0x100, 0x1e0] {
        assert_eq!(shortcomings(0x01, capabilities), []);
    }
    assert_eq!(shortcomings(0x02, 0x80), not_generated(KeyOrigin::Imported));
    let wrapped = |was_generated| not_generated(KeyOrigin::ImportedWrapped { was_generated });
    assert_eq!(shortcomings(0x11, 0x80), wrapped(true));
    assert_eq!(shortcomings(0x12, 0x80), wrapped(false));
    for bits in [0x00, 0x03, 0x10, 0x21, 0x81] {
        assert_eq!(shortcomings(bits, 0x80), not_generated(KeyOrigin::Unknown { bits }));
    }
    assert_eq!(shortcomings(0x01, 0x1_0080), [DeviceShortcoming::Exportable]);
    assert_eq!(shortcomings(0x01, 0x280), known("decrypt-pkcs"));
    assert_eq!(shortcomings(0x01, 0x880), known("derive-ecdh"));
    assert_eq!(shortcomings(0x01, 0x0200_0080), known("sign-ssh-certificate"));
    // D10: a timestamp key is no attestation key.
    assert_eq!(shortcomings(0x01, 0x4_0000_0080), known("sign-attestation-certificate"));
    for bit in [0x38, 0x3f] {
        assert_eq!(shortcomings(0x01, 0x80 | 1 << bit), may(DeviceCapability::Unknown { bit }));
    }
    assert_eq!(shortcomings(0x01, 0), [DeviceShortcoming::CannotSign]);
    let all = shortcomings(0x13, 0x1_0000);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn every_extension_is_required_in_its_form() {
    let all = [
        YubicoExtension::Firmware,
        YubicoExtension::SerialNumber,
        YubicoExtension::Origin,
        YubicoExtension::Domains,
        YubicoExtension::Capabilities,
        YubicoExtension::ObjectId,
        YubicoExtension::Label,
    ];
    for (index, extension) in all.into_iter().enumerate() {
        let mut without = Attested::good().extensions();
        without.remove(index);
        assert_eq!(statement_refused(without), YubiHsm2Invalid::Missing { extension });
    }
    for (index, value) in [
        (0, hex!("0402 0204").as_slice()),
        (0, &hex!("0303 000204")),
        (1, &hex!("0209 010000000000000000")),
        (1, &hex!("0200")),
        (2, &hex!("0303 000001")),
        (2, &hex!("0302 0700")),
        (2, &hex!("0301 00")),
        (3, &hex!("0302 0001")),
        (4, &hex!("0302 0080")),
        (4, &hex!("030a 00000000000000000080")),
        (5, &hex!("0203 010000")),
        (6, &hex!("0c02 c328")),
        (6, &hex!("1301 41")),
    ] {
        let extension = all[index];
        let mut altered = Attested::good().extensions();
        altered[index] = yubico(extension, value);
        assert_eq!(statement_refused(altered), YubiHsm2Invalid::Form { extension }, "{value:02x?}");
    }
    let mut trailing = Attested::good().extensions();
    trailing[2] = yubico(YubicoExtension::Origin, &hex!("03020001 0500"));
    assert!(matches!(
        statement_refused(trailing),
        YubiHsm2Invalid::Malformed { extension: YubicoExtension::Origin, .. }
    ));
}

#[test]
fn twice_and_critical_extensions_are_refused() {
    let certificate_refused = |extensions: Vec<Vec<u8>>| {
        let error = refused(&Vendor::new().chain(extensions));
        let EvidenceError::CertificateInvalid { position: 1, source } = error else { panic!("{error:?}") };
        source
    };
    let mut twice = Attested { origin: 0x02, ..Attested::good() }.extensions();
    twice.push(Attested::good().extensions()[2].clone());
    assert!(matches!(certificate_refused(twice), CertificateInvalid::Malformed(_)));

    let mut critical = Attested::good().extensions();
    // 2.5.29.54, inhibitAnyPolicy.
    critical.push(element(tag::SEQUENCE, &[&hex!("0603551d36 0101ff 0403020100")]));
    let (position, identifier) = (1, hex!("551d36").to_vec());
    assert_eq!(
        chain_refused(&Vendor::new().chain(critical)),
        VendorChainInvalid::UnknownCriticalExtension { position, identifier }
    );
    // extKeyUsage timeStamping, critical: an attestation is for no purpose of ours.
    let mut purposes = Attested::good().extensions();
    purposes.push(element(tag::SEQUENCE, &[&hex!("0603551d25 0101ff 040c 300a 0608 2b06010505070308")]));
    let (position, identifier) = (1, hex!("551d25").to_vec());
    assert_eq!(
        chain_refused(&Vendor::new().chain(purposes)),
        VendorChainInvalid::UnknownCriticalExtension { position, identifier }
    );

    // What nobody marked critical is passed over, as .10 of FIPS devices.
    let mut fips = Attested::good().extensions();
    fips.push(element(tag::SEQUENCE, &[&hex!("060a 2b0601040182c40a040a"), &hex!("0403020105")]));
    assert!(judge(&Vendor::new().chain(fips)).is_ok());
}

#[test]
fn the_issuer_is_the_device_that_is_named() {
    let vendor = Vendor::new();
    let other = Attested { serial: 31_000_002, ..Attested::good() };
    let (attested, issuer) = (31_000_002, 31_000_001);
    assert_eq!(statement_refused(other.extensions()), YubiHsm2Invalid::OtherDevice { attested, issuer });

    let mut unnamed = vendor.device();
    unnamed.extensions.drain(..2);
    let mut chain = vendor.chain(Attested::good().extensions());
    chain[1] = unnamed.signed_by(&vendor.intermediate);
    let error = refused(&chain);
    assert!(matches!(error, EvidenceError::YubiHsm2(YubiHsm2Invalid::IssuerNotDevice)), "{error:?}");
}

#[test]
fn an_attested_key_cannot_attest() {
    // A key of the device that may sign anything, its attestation put in its place as an attesting certificate.
    let vendor = Vendor::new();
    let further = Key::new(5);
    let mut chain = vendor.chain(Attested::good().extensions());
    let forged = Made {
        subject: "YubiHSM Attestation id:0x0025",
        issuer: "YubiHSM Attestation id:0x0024",
        spki_der: further.spki_der(),
        extensions: Attested::good().extensions(),
    };
    chain.insert(0, forged.signed_by(&vendor.attested));
    let roots = [vendor.root_certificate()];
    let error = verify(&pem(&chain), &further.spki_der(), &roots, at(NOW)).unwrap_err();
    assert!(matches!(error, EvidenceError::Chain(VendorChainInvalid::NotAuthority { position: 2 })));

    // Nor can a CA below the device: its path length is 0.
    let mut authority = vendor.attestation(Attested::good().extensions());
    authority.extensions.push(basic_constraints(0));
    chain[1] = authority.signed_by(&vendor.device);
    let error = verify(&pem(&chain), &further.spki_der(), &roots, at(NOW)).unwrap_err();
    let expected = VendorChainInvalid::PathLength { position: 3, allowed: 0, found: 1 };
    assert!(matches!(error, EvidenceError::Chain(found) if found == expected));
}

#[test]
fn only_a_ca_issues() {
    let vendor = Vendor::new();
    let with_device = |change: fn(&mut Made)| {
        let mut device = vendor.device();
        change(&mut device);
        let mut chain = vendor.chain(Attested::good().extensions());
        chain[1] = device.signed_by(&vendor.intermediate);
        chain
    };
    assert!(judge(&with_device(|_| ())).is_ok());
    assert!(judge(&with_device(|device| device.extensions.push(key_usage(&hex!("03020204"))))).is_ok());
    for change in [
        |device: &mut Made| drop(device.extensions.remove(2)),
        // CA FALSE, encoded as DER does: not at all.
        |device: &mut Made| {
            device.extensions[2] = element(tag::SEQUENCE, &[&hex!("0603551d13 0101ff 04023000")]);
        },
        // Not critical.
        |device: &mut Made| {
            device.extensions[2] = element(tag::SEQUENCE, &[&hex!("0603551d13 0405 30030101ff")]);
        },
        // digitalSignature alone.
        |device: &mut Made| device.extensions.push(key_usage(&hex!("03020780"))),
    ] {
        assert_eq!(chain_refused(&with_device(change)), VendorChainInvalid::NotAuthority { position: 2 });
    }
}

#[test]
fn a_wrong_signature_is_refused_wherever_it_is() {
    let vendor = Vendor::new();
    let good = vendor.chain(Attested::good().extensions());
    let mut chain = good.clone();
    chain[0] = vendor.attestation(Attested::good().extensions()).signed_by(&Key::new(8));
    assert!(matches!(chain_refused(&chain), VendorChainInvalid::Signature { position: 1, .. }));
    let mut chain = good.clone();
    chain[1] = vendor.device().signed_by(&Key::new(8));
    assert!(matches!(chain_refused(&chain), VendorChainInvalid::Signature { position: 2, .. }));
    // A name alone does not make an issuer.
    let mut chain = good;
    let mut named = vendor.device();
    named.subject = "YubiHSM Attestation (1)";
    chain[1] = named.signed_by(&vendor.intermediate);
    assert_eq!(chain_refused(&chain), VendorChainInvalid::NotIssuedByNext { position: 1 });
}

#[test]
fn a_certificate_too_many_or_too_few_is_refused() {
    let vendor = Vendor::new();
    let good = vendor.chain(Attested::good().extensions());
    assert!(judge(&good).is_ok());
    let extra = vendor.attestation(Attested { origin: 0x02, ..Attested::good() }.extensions());
    for place in 0..=good.len() {
        let mut chain = good.clone();
        chain.insert(place, extra.signed_by(&vendor.device));
        refused(&chain);
    }
    for missing in 0..good.len() {
        let mut chain = good.clone();
        chain.remove(missing);
        refused(&chain);
    }
    let swapped = [good[1].clone(), good[0].clone(), good[2].clone()];
    assert!(matches!(refused(&swapped), EvidenceError::OtherKey));
    assert!(matches!(refused(&good[..1]), EvidenceError::ChainLength { found: 1 }));
    let many = vec![good[0].clone(); 7];
    assert!(matches!(refused(&many), EvidenceError::ChainLength { found: 7 }));
}

#[test]
fn what_is_not_pem_is_refused() {
    let verify = |evidence: &[u8]| {
        let error = verify(evidence, &[], &[], at(NOW)).unwrap_err();
        assert!(!error.is_unjudgeable());
        error
    };
    let (chain, ..) = real();
    assert!(matches!(verify(b""), EvidenceError::NotPem(_)));
    assert!(matches!(verify(b"attestation"), EvidenceError::NotPem(_)));
    assert!(matches!(verify(&chain[0]), EvidenceError::NotText));
    let with_key = format!("{REAL_EVIDENCE}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(matches!(verify(with_key.as_bytes()), EvidenceError::NotPem(_)));
    let garbage = REAL_EVIDENCE.replacen("MII", "MI!", 1);
    assert!(matches!(verify(garbage.as_bytes()), EvidenceError::NotPem(_)));
    assert!(matches!(verify(&[b' '; (64 << 10) + 1]), EvidenceError::TooLong { found: 65_537 }));
    let mut trailing = chain.clone();
    trailing[0] = CertificateDer::from([chain[0].to_vec(), vec![0]].concat());
    let error = verify(&pem(&trailing));
    assert!(matches!(error, EvidenceError::CertificateInvalid { position: 1, .. }), "{error:?}");
}

#[test]
fn an_unknown_format_cannot_be_judged() {
    let error = verify_evidence(&hex!("2a0304"), b"", &[], &[], at(NOW)).unwrap_err();
    assert!(error.is_unjudgeable());
    assert!(error.to_string().contains("1.2.3.4"), "{error}");
}
