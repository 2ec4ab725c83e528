//! CRLs: issued by `init` for each CA, reissued by the server at half of their life, numbered upwards.

use std::time::Duration;

use attestamp_certs::Crl;

use crate::harness::{Fixture, until};
use crate::place::{Place, openssl};

const DAY: Duration = Duration::from_secs(86_400);
const CAS: [&str; 2] = ["root", "tsa-ca"];

fn crl(place: &Place, ca: &str) -> Crl {
    Crl::parse(&std::fs::read(place.layout().ca_revocation_list(ca)).unwrap()).unwrap()
}

fn numbers(place: &Place) -> [u64; 2] {
    CAS.map(|ca| crl(place, ca).number())
}

#[test]
fn init_issues_the_crl_of_each_ca_and_it_verifies_with_the_ca_s_key() {
    let place = Place::new(&["default"]);
    for ca in CAS {
        let list = place.layout().ca_revocation_list(ca);
        let certificate = place.layout().ca_certificate(ca);
        let verified = openssl(&[
            "crl",
            "-inform",
            "DER",
            "-noout",
            "-in",
            list.to_str().unwrap(),
            "-CAfile",
            certificate.to_str().unwrap(),
        ]);
        assert!(verified.error.contains("verify OK"), "{verified:?}");
        assert_eq!((crl(&place, ca).number(), crl(&place, ca).revoked().len()), (1, 0));
    }
}

#[test]
fn a_crl_is_reissued_at_half_of_its_life_and_served() {
    let fixture = Fixture::new();
    let life = |ca| {
        let crl = crl(&fixture.place, ca);
        Duration::from_secs(crl.next_update().as_secs() - crl.this_update().as_secs())
    };
    assert_eq!(CAS.map(life), [365 * DAY, 14 * DAY]);
    fixture.pass(7 * DAY - Duration::from_secs(120));
    assert_eq!(fixture.authority.reissue_crls().unwrap(), 0);
    assert_eq!(numbers(&fixture.place), [1, 1]);
    fixture.pass(Duration::from_secs(120));
    assert_eq!(fixture.authority.reissue_crls().unwrap(), 1);
    assert_eq!(numbers(&fixture.place), [1, 2]);
    assert_eq!(crl(&fixture.place, "tsa-ca").this_update(), fixture.clock.unverified_time());
    let served = Crl::parse(&fixture.authority.pki_file("tsa-ca.crl").unwrap().body).unwrap();
    assert_eq!(served.number(), 2);
    assert_eq!(fixture.authority.reissue_crls().unwrap(), 0);
    fixture.pass(176 * DAY);
    assert_eq!(fixture.authority.reissue_crls().unwrap(), 2);
    assert_eq!(numbers(&fixture.place), [2, 3]);
}

#[test]
fn a_root_whose_key_is_off_line_holds_up_no_other_crl() {
    let place = Place::new(&["default"]);
    place.edit("[ca.root]\ntoken = \"main\"", "[ca.root]\ntoken = \"off-line\"");
    place.edit(
        "[token.main]",
        "[token.off-line]\nmodule = \"/nonexistent/pkcs11.so\"\nuri = \"pkcs11:token=root\"\npin-file = \"token/pin\"\n\n\
         [token.main]",
    );
    let fixture = Fixture::on(place);
    fixture.pass(200 * DAY);
    let error = fixture.authority.reissue_crls().unwrap_err();
    assert!(format!("{error:#}").contains("`root`"), "{error:#}");
    assert_eq!(numbers(&fixture.place), [1, 2]);
    let served = Crl::parse(&fixture.authority.pki_file("tsa-ca.crl").unwrap().body).unwrap();
    assert_eq!(served.number(), 2);
}

#[tokio::test]
async fn a_server_issues_the_crls_that_are_due_at_its_start() {
    let place = Place::new(&["default"]);
    let path = place.layout().ca_revocation_list("tsa-ca");
    std::fs::remove_file(&path).unwrap();
    let server = place.serve();
    until(|| path.exists()).await;
    drop(server);
    assert_eq!(numbers(&place), [1, 1]);
}

#[test]
fn a_crl_that_is_missing_is_issued_and_a_damaged_one_is_named_and_left() {
    let fixture = Fixture::new();
    let path = fixture.place.layout().ca_revocation_list("tsa-ca");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fixture.authority.reissue_crls().unwrap(), 1);
    // A list that cannot be read may hold revocations: a new one would forget them.
    std::fs::write(&path, b"damaged").unwrap();
    assert!(fixture.authority.reissue_crls().is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"damaged");
}
