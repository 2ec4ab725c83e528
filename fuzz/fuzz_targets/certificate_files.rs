//! What operators and auditors give as files: certificates and CRLs, PEM and DER, by every reader that there is for them.
//!
//! Beyond "does not panic": what was read from PEM is read from PEM again, octet for octet; and a CRL that both readers
//! take is of one issuer and as long for both.
//!
//! `cargo fuzz run -s none certificate_files fuzz/corpus/certificate_files fuzz/seeds/certificate_files`
#![no_main]

use attestamp_certs::pem::{PemLabel, certificates_from_pem, crls_from_pem_or_der, to_pem};
use attestamp_certs::{Crl, RevocationList, TrustAnchors, TsuCertificate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = TsuCertificate::parse(input);
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = TrustAnchors::from_pem(text);
        if let Ok(certificates) = certificates_from_pem(text) {
            let again: String = certificates.iter().map(|der| to_pem(PemLabel::Certificate, der)).collect();
            assert_eq!(certificates_from_pem(&again).expect("what we wrote"), certificates);
            for der in &certificates {
                let _ = TsuCertificate::parse(der);
            }
        }
    }
    let Ok(lists) = crls_from_pem_or_der(input) else { return };
    assert!(!lists.is_empty());
    for der in &lists {
        if let (Ok(ours), Ok(any)) = (Crl::parse(der), RevocationList::parse(der)) {
            assert_eq!(ours.issuer_der(), any.issuer_der());
            assert!(any.revoked_count() <= ours.revoked().len());
        }
    }
});
