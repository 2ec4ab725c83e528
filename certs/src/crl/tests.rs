//! Tests of CRLs: what is written is read back, and a list can be continued.

use super::*;
use crate::test_keys::{NOW, TestKey, at, root, serial};

const WEEK: u64 = 7 * 86_400;

fn issuer(key: &TestKey) -> Issuer {
    Issuer::from_certificate(&root(key)).unwrap()
}

fn parameters<'a>(issuer: &'a Issuer, revoked: &'a [RevokedCertificate]) -> CrlParameters<'a> {
    CrlParameters {
        issuer,
        signature_algorithm: SignatureAlgorithm::EcdsaP256Sha256,
        this_update: at(NOW),
        next_update: at(NOW + WEEK),
        number: 41,
        revoked,
    }
}

fn sign(parameters: CrlParameters<'_>, key: &TestKey) -> CertificateRevocationListDer<'static> {
    let unsigned = UnsignedCrl::build(parameters).unwrap();
    let signature = key.sign(unsigned.to_be_signed());
    unsigned.attach(&signature).unwrap()
}

fn revoked(octet: u8, reason: Option<RevocationReason>) -> RevokedCertificate {
    RevokedCertificate { serial: serial(octet), revoked_at: at(NOW - 60), reason }
}

#[test]
fn what_is_written_is_read_back_in_order_of_serials() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let high = RevokedCertificate {
        serial: CertificateSerial::from_big_endian(&[0xff; 2]).unwrap(),
        ..revoked(0, None)
    };
    let listed = [
        revoked(9, Some(RevocationReason::Superseded)),
        revoked(4, None),
        high.clone(),
        revoked(5, Some(RevocationReason::Unspecified)),
    ];
    let crl = Crl::parse(&sign(parameters(&issuer, &listed), &key)).unwrap();
    assert_eq!(crl.issuer_der(), issuer.name_der());
    assert_eq!((crl.this_update(), crl.next_update(), crl.number()), (at(NOW), at(NOW + WEEK), 41));
    let [superseded, none, _, unspecified] = listed;
    assert_eq!(crl.revoked(), [high, none, unspecified, superseded]);
}

#[test]
fn the_next_list_continues_the_last() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let first = sign(parameters(&issuer, &[revoked(4, Some(RevocationReason::KeyCompromise))]), &key);
    let first = Crl::parse(&first).unwrap();
    let next = CrlParameters {
        this_update: at(NOW + 1),
        number: first.number() + 1,
        ..parameters(&issuer, first.revoked())
    };
    let next = Crl::parse(&sign(next, &key)).unwrap();
    assert_eq!(next.number(), 42);
    assert_eq!(next.revoked(), first.revoked());
}

#[test]
fn an_empty_list_has_no_empty_sequence() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let crl = sign(parameters(&issuer, &[]), &key);
    let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&crl).unwrap().tbs_cert_list;
    assert_eq!(list.revoked_certificates, None, "RFC 5280 §5.1.2.6");
    assert_eq!(Crl::parse(&crl).unwrap().revoked(), []);
}

#[test]
fn webpki_reads_the_list() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let listed = [revoked(4, Some(RevocationReason::Superseded)), revoked(5, None)];
    let der = sign(parameters(&issuer, &listed), &key);
    let crl = webpki::BorrowedCertRevocationList::from_der(&der).unwrap().to_owned().unwrap();
    let crl = webpki::CertRevocationList::from(crl);
    for certificate in &listed {
        let found = crl.find_serial(certificate.serial.content_octets()).unwrap().unwrap();
        assert_eq!(found.revocation_date, certificate.revoked_at);
    }
}

#[test]
fn numbers_of_every_length_survive() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    for number in [0, 1, 127, 128, 255, 256, u64::MAX] {
        let crl = sign(CrlParameters { number, ..parameters(&issuer, &[]) }, &key);
        assert_eq!(Crl::parse(&crl).unwrap().number(), number);
    }
}

#[test]
fn impossible_lists_are_refused() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let backwards = CrlParameters { next_update: at(NOW), ..parameters(&issuer, &[]) };
    assert!(matches!(UnsignedCrl::build(backwards), Err(CrlInvalid::UpdatesOutOfOrder { .. })));
    let twice = [revoked(4, None), revoked(5, None), revoked(4, None)];
    assert_eq!(
        UnsignedCrl::build(parameters(&issuer, &twice)),
        Err(CrlInvalid::ListedTwice { serial: serial(4) })
    );
    let delta = [revoked(4, Some(RevocationReason::RemoveFromCRL))];
    assert_eq!(
        UnsignedCrl::build(parameters(&issuer, &delta)),
        Err(CrlInvalid::RemoveFromCrl { serial: serial(4) })
    );
}

#[test]
fn every_truncation_of_a_list_is_malformed() {
    let key = TestKey::p256(7);
    let issuer = issuer(&key);
    let crl = sign(parameters(&issuer, &[revoked(4, None)]), &key);
    for length in 0..crl.len() {
        assert!(matches!(Crl::parse(&crl[..length]), Err(CrlInvalid::Malformed { .. })), "{length}");
    }
}

#[test]
fn c1_lists_signed_with_ml_dsa_and_slh_dsa_have_no_parameters() {
    for key in [TestKey::ml_dsa(crate::MlDsa::MlDsa87, 7), TestKey::slh_dsa(crate::SlhDsa::Sha2_128f, 7)] {
        let issuer = issuer(&key);
        let listed = [revoked(4, Some(RevocationReason::Superseded))];
        let list = CrlParameters { signature_algorithm: key.algorithm, ..parameters(&issuer, &listed) };
        let der = sign(list, &key);
        assert_eq!(Crl::parse(&der).unwrap().revoked(), listed);
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der).unwrap();
        for algorithm in [&list.signature_algorithm, &list.tbs_cert_list.signature] {
            assert_eq!(algorithm.parameters, None);
            assert_eq!(algorithm.to_der().unwrap(), key.algorithm.algorithm_identifier_der());
        }
        let tbs = list.tbs_cert_list.to_der().unwrap();
        assert_eq!(key.algorithm.verify(issuer.spki_der(), &tbs, list.signature.raw_bytes()), Ok(()));
    }
}
