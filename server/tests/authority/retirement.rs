//! `tsu retire`: the certificate is revoked as out of service, and tokens from before stay good (EN 319 421 7.14).

use std::time::Duration;

use attestamp::clock::system_time;
use attestamp_certs::{Crl, RevocationReason};

use crate::harness::{DATA, Fixture, granted, query, until};
use crate::place::{Place, attestamp};

#[tokio::test]
async fn en_319_421_7_14_old_tokens_of_a_retired_tsu_verify_and_later_ones_do_not() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let before = granted(fixture.stamp(Some("second"), query().to_der()).await);
    let serial = fixture.verified(&before).certificate.serial().to_vec();

    // A token of the very second of the revocation counts as later than it.
    let gen_time = fixture.verified(&before).gen_time.unix_time();
    until(|| system_time() > gen_time).await;
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    // Once more does no harm: one entry, in a list of its own.
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    let path = fixture.place.layout().ca_revocation_list("tsa-ca");
    let crl = Crl::parse(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(crl.number(), 3);
    let [entry] = crl.revoked() else { panic!("{crl:?}") };
    assert_eq!(entry.serial.content_octets(), serial);
    assert_eq!(entry.reason, Some(RevocationReason::CessationOfOperation));

    // Of a server that was not told: its token is from after the revocation.
    fixture.pass(Duration::from_secs(86_400));
    let after = granted(fixture.stamp(Some("second"), query().to_der()).await);
    assert_eq!(verify(&fixture, &before), 0);
    assert_eq!(verify(&fixture, &after), 1);

    fixture.reload().unwrap();
    assert!(fixture.authority.running().select(Some("second"), None).is_none());
    let served = Crl::parse(&fixture.authority.pki_file("tsa-ca.crl").unwrap().body).unwrap();
    assert_eq!(served.number(), 3);
    fixture.granted(None).await;
}

#[test]
fn a_key_that_is_destroyed_is_gone_and_the_others_are_not() {
    let place = Place::new(&["default", "second"]);
    place.run(&["tsu", "retire", "second", "--destroy-key"]).succeeded();
    place.run(&["check", "--quiet"]).succeeded();
    place.run(&["tsu", "csr", "second"]).refused(&["no private key"]);
    place.run(&["tsu", "csr", "default"]).succeeded();
    place.run(&["tsu", "retire", "third"]).refused(&["there is no TSU `third`", "default, second"]);
}

/// The exit code of `attestamp verify` with the CRL.
fn verify(fixture: &Fixture, reply: &[u8]) -> i32 {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, token) = (path("data"), path("data.tsr"));
    std::fs::write(&data, DATA).unwrap();
    std::fs::write(&token, reply).unwrap();
    let layout = fixture.place.layout();
    let (root, crl) = (layout.ca_certificate("root"), layout.ca_revocation_list("tsa-ca"));
    let (root, crl) = (root.to_str().unwrap(), crl.to_str().unwrap());
    attestamp(&["verify", &token, "--data", &data, "--ca", root, "--crl", crl]).code.unwrap()
}
