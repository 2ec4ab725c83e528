//! One chain that holds, and one change at a time that makes it fail, each with its own error.

mod post_quantum;

use rcgen::{CertificateParams, IsCa, KeyUsagePurpose, RevocationReason as Reason};

use super::*;
use crate::test_pki::{
    Authority, INTERMEDIATE_SERIAL, LEAF_SERIAL, crl, extended_key_usage, intermediate, leaf, noon, root,
};

fn unchanged(_: &mut CertificateParams) {}

struct Chain {
    root: Authority,
    intermediate: Authority,
    leaf: CertificateDer<'static>,
}

impl Chain {
    fn new() -> Self {
        Self::with(unchanged, unchanged, unchanged)
    }

    fn with(
        root_change: impl FnOnce(&mut CertificateParams),
        intermediate_change: impl FnOnce(&mut CertificateParams),
        leaf_change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let root = root(root_change);
        let intermediate = intermediate("Test intermediate", &root, intermediate_change);
        let leaf = leaf(&intermediate, leaf_change);
        Self { root, intermediate, leaf }
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_certificates(vec![self.root.der().clone()]).unwrap()
    }

    fn verify(&self, at: UnixTime, crls: &[RevocationList]) -> Result<VerifiedChain, ChainError> {
        verify_chain(&self.leaf, &[self.intermediate.der().clone()], &self.anchors(), at, crls)
    }

    fn error(&self) -> ChainError {
        self.verify(noon(2026, 6, 1), &[]).unwrap_err()
    }
}

#[test]
fn a_chain_over_an_intermediate_holds() {
    let verified = Chain::new().verify(noon(2026, 6, 1), &[]).unwrap();
    assert_eq!(
        verified,
        VerifiedChain {
            anchor_subject: "CN=Test root".to_owned(),
            intermediates: 1,
            is_post_quantum: false,
            leaf_revocation_checked: false
        }
    );
}

#[test]
fn intermediates_may_come_with_the_roots() {
    let chain = Chain::new();
    let both = vec![chain.intermediate.der().clone(), chain.root.der().clone()];
    let anchors = TrustAnchors::from_certificates(both).unwrap();
    assert_eq!((anchors.root_count(), anchors.intermediates().len()), (1, 1));
    verify_chain(&chain.leaf, &[], &anchors, noon(2026, 6, 1), &[]).unwrap();
}

#[test]
fn an_intermediate_alone_is_no_root() {
    let chain = Chain::new();
    let error = TrustAnchors::from_certificates(vec![chain.intermediate.der().clone()]).unwrap_err();
    assert!(matches!(error, TrustAnchorsInvalid::NoRoot { found: 1 }), "{error}");
}

#[test]
fn a_self_issued_certificate_that_is_no_ca_is_no_root() {
    let false_root = root(|params| params.is_ca = IsCa::ExplicitNoCa);
    let error = TrustAnchors::from_certificates(vec![false_root.der().clone()]).unwrap_err();
    assert!(matches!(error, TrustAnchorsInvalid::NotAuthority { certificate: 1 }), "{error}");
}

#[test]
fn expired_names_both_times() {
    let error = Chain::new().verify(noon(2030, 6, 1), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a certificate of the chain expired at 2030-01-01T00:00:00Z, before 2030-06-01T12:00:00Z"
    );
}

#[test]
fn not_yet_valid_names_both_times() {
    let error = Chain::new().verify(noon(2021, 6, 1), &[]).unwrap_err();
    assert!(
        matches!(error, ChainError::NotYetValid { not_before, .. } if Utc(not_before).to_string() == "2022-01-01T00:00:00Z"),
        "{error}"
    );
}

#[test]
fn the_roots_own_validity_counts() {
    let chain = Chain::with(|root| root.not_after = rcgen::date_time_ymd(2025, 1, 1), unchanged, unchanged);
    chain.verify(noon(2024, 6, 1), &[]).unwrap();
    assert!(matches!(chain.error(), ChainError::AnchorNotValid { .. }), "{}", chain.error());
}

#[test]
fn an_untrusted_root_is_an_unknown_issuer() {
    let chain = Chain::new();
    // The same name, another key.
    let other = TrustAnchors::from_certificates(vec![root(unchanged).der().clone()]).unwrap();
    let intermediates = [chain.intermediate.der().clone(), chain.root.der().clone()];
    let error = verify_chain(&chain.leaf, &intermediates, &other, noon(2026, 6, 1), &[]).unwrap_err();
    assert!(matches!(error, ChainError::BadSignature | ChainError::UnknownIssuer), "{error}");
    let error = verify_chain(&chain.leaf, &[], &chain.anchors(), noon(2026, 6, 1), &[]).unwrap_err();
    assert!(matches!(error, ChainError::UnknownIssuer), "{error}");
}

#[test]
fn an_extended_key_usage_without_time_stamping_ends_the_chain() {
    // RFC 5280 §4.2.1.12: a CA without the extension is not restricted.
    let chain = Chain::with(unchanged, |ca| ca.custom_extensions.clear(), unchanged);
    chain.verify(noon(2026, 6, 1), &[]).unwrap();
    let server_auth = hex_literal::hex!("300a 0608 2b06010505070301");
    let change = |params: &mut CertificateParams| {
        params.custom_extensions = vec![extended_key_usage(&server_auth, true)];
    };
    for chain in [Chain::with(unchanged, change, unchanged), Chain::with(unchanged, unchanged, change)] {
        assert!(matches!(chain.error(), ChainError::NotForTimeStamping), "{}", chain.error());
    }
}

#[test]
fn an_issuer_must_be_a_ca_that_may_sign_certificates() {
    let chain = Chain::with(unchanged, |ca| ca.is_ca = IsCa::ExplicitNoCa, unchanged);
    assert!(matches!(chain.error(), ChainError::NotAuthority { .. }), "{}", chain.error());
    let chain = Chain::with(unchanged, |ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign], unchanged);
    assert!(
        matches!(chain.error(), ChainError::MayNotSignCertificates { role: ChainRole::Intermediate }),
        "{}",
        chain.error()
    );
    let chain = Chain::with(|ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign], unchanged, unchanged);
    assert!(
        matches!(chain.error(), ChainError::MayNotSignCertificates { role: ChainRole::Anchor }),
        "{}",
        chain.error()
    );
}

#[test]
fn the_roots_path_length_counts() {
    let none = |ca: &mut CertificateParams| ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let chain = Chain::with(none, unchanged, unchanged);
    assert!(matches!(chain.error(), ChainError::PathTooLong), "{}", chain.error());
}

#[test]
fn an_intermediates_path_length_counts() {
    let none = |ca: &mut CertificateParams| ca.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let root = root(unchanged);
    let upper = intermediate("Upper", &root, none);
    let lower = intermediate("Lower", &upper, unchanged);
    let leaf = leaf(&lower, unchanged);
    let anchors = TrustAnchors::from_certificates(vec![root.der().clone()]).unwrap();
    let intermediates = [upper.der().clone(), lower.der().clone()];
    let error = verify_chain(&leaf, &intermediates, &anchors, noon(2026, 6, 1), &[]).unwrap_err();
    assert!(matches!(error, ChainError::PathTooLong), "{error}");
}

#[test]
fn a_changed_certificate_has_a_bad_signature() {
    let mut chain = Chain::new();
    let mut changed = chain.leaf.as_ref().to_vec();
    // In the signature, the last octets of a certificate.
    let last = changed.len() - 1;
    changed[last] ^= 1;
    chain.leaf = CertificateDer::from(changed);
    assert!(matches!(chain.error(), ChainError::BadSignature), "{}", chain.error());
}

#[test]
fn too_many_intermediates_are_not_searched() {
    let chain = Chain::new();
    let many = vec![chain.intermediate.der().clone(); MAX_INTERMEDIATES + 1];
    let error = verify_chain(&chain.leaf, &many, &chain.anchors(), noon(2026, 6, 1), &[]).unwrap_err();
    assert!(matches!(error, ChainError::TooManyIntermediates { found: 65 }), "{error}");
}

#[test]
fn a_list_without_the_certificate_speaks_for_it() {
    let chain = Chain::new();
    let lists = [crl(&chain.intermediate, &[(&[9], None)]), crl(&chain.root, &[])];
    let verified = chain.verify(noon(2026, 6, 1), &lists).unwrap();
    assert!(verified.leaf_revocation_checked);
    let verified = chain.verify(noon(2026, 6, 1), &lists[1..]).unwrap();
    assert!(!verified.leaf_revocation_checked);
}

/// RFC 3161 §4 (1): with which reasons a token made before the revocation date (2025-07-01) stays valid.
#[test]
fn the_reason_decides_on_what_was_signed_before_the_revocation() {
    let chain = Chain::new();
    let cases = [
        (None, false),
        // rcgen writes no reason for it, as RFC 5280 §5.3.1 recommends.
        (Some(Reason::Unspecified), false),
        (Some(Reason::AffiliationChanged), true),
        (Some(Reason::Superseded), true),
        (Some(Reason::CessationOfOperation), true),
        (Some(Reason::KeyCompromise), false),
        (Some(Reason::CaCompromise), false),
        (Some(Reason::CertificateHold), false),
        (Some(Reason::PrivilegeWithdrawn), false),
        (Some(Reason::AaCompromise), false),
    ];
    for (reason, earlier_is_valid) in cases {
        let lists = [crl(&chain.intermediate, &[(&LEAF_SERIAL, reason)])];
        let before = chain.verify(noon(2025, 6, 30), &lists);
        assert_eq!(before.is_ok(), earlier_is_valid, "{reason:?}");
        let after = chain.verify(noon(2025, 7, 1), &lists).unwrap_err();
        assert!(matches!(after, ChainError::Revoked { role: ChainRole::Leaf, .. }), "{reason:?}: {after}");
    }
}

#[test]
fn revocation_names_the_certificate_the_date_and_the_reason() {
    let chain = Chain::new();
    let lists = [crl(&chain.root, &[(&INTERMEDIATE_SERIAL, Some(Reason::KeyCompromise))])];
    let error = chain.verify(noon(2026, 6, 1), &lists).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an intermediate CA's certificate was revoked at 2025-07-01T00:00:00Z (keyCompromise)"
    );
}

#[test]
fn a_list_that_ended_before_the_instant_is_no_answer() {
    let chain = Chain::new();
    let lists = [crl(&chain.intermediate, &[])];
    let error = chain.verify(noon(2027, 6, 1), &lists).unwrap_err();
    assert!(matches!(error, ChainError::RevocationListTooOld { role: ChainRole::Leaf, .. }), "{error}");
}

#[test]
fn a_list_signed_by_another_is_refused_unless_a_true_one_is_there() {
    let chain = Chain::new();
    let impostor = intermediate("Test intermediate", &chain.root, unchanged);
    let false_list = crl(&impostor, &[(&LEAF_SERIAL, Some(Reason::KeyCompromise))]);
    let error = chain.verify(noon(2026, 6, 1), std::slice::from_ref(&false_list)).unwrap_err();
    assert!(matches!(error, ChainError::RevocationListNotSigned { .. }), "{error}");
    let lists = [false_list, crl(&chain.intermediate, &[])];
    assert!(chain.verify(noon(2026, 6, 1), &lists).unwrap().leaf_revocation_checked);
}

#[test]
fn lists_need_crl_sign() {
    let root = root(|ca| ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    // `rcgen` refuses to sign a list without cRLSign: the list is made by a twin of the CA with the same key.
    let twin = intermediate("Test intermediate", &root, unchanged);
    let list = crl(&twin, &[]);
    let issuer = revocation::Issuer {
        subject_der: list_issuer(&list),
        spki_der: spki(twin.der()),
        may_sign_lists: false,
    };
    let subject = revocation::Subject { role: ChainRole::Leaf, serial: &LEAF_SERIAL };
    let error = revocation::check_revocation(&subject, &issuer, &[list], noon(2026, 6, 1)).unwrap_err();
    assert!(matches!(error, ChainError::MayNotSignRevocationLists { .. }), "{error}");
}

fn list_issuer(list: &RevocationList) -> Vec<u8> {
    list.issuer_der().to_vec()
}

fn spki(certificate: &CertificateDer<'_>) -> Vec<u8> {
    use der::{Decode as _, Encode as _};
    let certificate = x509_cert::Certificate::from_der(certificate).unwrap();
    certificate.tbs_certificate().subject_public_key_info().to_der().unwrap()
}

#[test]
fn a_broken_list_is_malformed() {
    for der in [&[][..], &[0x30], &[0x30, 0], &[0x30, 2, 5, 0], &[0x30, 0x80, 0, 0]] {
        let error = RevocationList::parse(der).unwrap_err();
        assert!(matches!(error, RevocationListInvalid::Malformed { .. }), "{der:?}: {error}");
    }
}
