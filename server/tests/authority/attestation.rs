//! What a running authority attests: stored attestations, fresh ones, the end of a key, and keys with two offices.

use std::path::PathBuf;

use attestamp::attestation::served::AttestationFiles;
use attestamp::authority::{AttestRefusal, AttestRequest, AuthorityError, Fresh};
use attestamp::clock::system_time;
use attestamp_attestation::{
    Assurance, AttestationClock, Certificate, ChainKind, Claims, KeyEndState, Nonce, Verified, shortcomings,
    verify,
};

use crate::harness::{Fixture, codes};
use crate::place::Place;

const BOTH: [ChainKind; 2] = ChainKind::ALL;

fn nonce() -> Nonce {
    Nonce::new((0..32).collect()).unwrap()
}

/// What the authority serves, without asking the token.
fn files(fixture: &Fixture) -> AttestationFiles {
    (**fixture.authority.attesting().files()).clone()
}

/// An attestation held against the root on disk, as an auditor who has it would.
fn verified(fixture: &Fixture, kind: ChainKind, attestation: &Certificate) -> Verified {
    let path = fixture.place.layout().attestation_file(kind, "device-root.pem");
    let pem = std::fs::read_to_string(path).unwrap();
    let root = attestamp_certs::pem::certificates_from_pem(&pem).unwrap().remove(0);
    let root = Certificate::parse(&root).unwrap();
    verify(attestation, &files(fixture).chains[&kind], &root, fixture.clock.unverified_time()).unwrap()
}

fn stored(fixture: &Fixture, tsu: &str, kind: ChainKind) -> Claims {
    let files = files(fixture);
    verified(fixture, kind, &files.keys[tsu].attestations[&kind]).claims
}

fn request(tsu: Option<&str>, chain: Option<ChainKind>) -> AttestRequest {
    AttestRequest { tsu: tsu.map(str::to_owned), chain, nonce: nonce() }
}

fn attest(fixture: &Fixture, tsu: Option<&str>, chain: Option<ChainKind>) -> Result<Fresh, AttestRefusal> {
    fixture.authority.attesting().attest(&request(tsu, chain), &fixture.clock)
}

/// Every stored attestation, with its path.
fn on_disk(place: &Place) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = place.layout().attestation().join("keys");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn d4_d5_init_attests_every_key_under_both_chains_and_the_host_asserts_it() {
    let fixture = Fixture::on(Place::new(&["default", "rsa:rsa-2048", "pq:ml-dsa-65"]));
    for (tsu, key_type, parameter_set, mechanism) in [
        ("default", "CKK_EC", "P-256", "CKM_EC_KEY_PAIR_GEN"),
        ("rsa", "CKK_RSA", "2048", "CKM_RSA_PKCS_KEY_PAIR_GEN"),
        ("pq", "CKK_ML_DSA", "ML-DSA-65", "CKM_ML_DSA_KEY_PAIR_GEN"),
    ] {
        for kind in BOTH {
            let claims = stored(&fixture, tsu, kind);
            assert_eq!(claims.assurance, Assurance::HostAsserted);
            assert_eq!(claims.clock, AttestationClock::HostUnassured);
            assert_eq!((claims.nonce, claims.end), (None, None));
            assert_eq!(claims.key.label, format!("attestamp tsu {tsu}"));
            assert_eq!((&*claims.key.key_type, &*claims.key.parameter_set), (key_type, parameter_set));
            assert_eq!(claims.key.key_gen_mechanism.as_deref(), Some(mechanism));
            assert_eq!(shortcomings(&claims.key), []);
            assert_eq!(claims.policy.unwrap().user, format!("tsu {tsu}"));
            assert!(claims.evidence.is_empty());
        }
        let files = files(&fixture);
        let spki = fixture.authority.running().tsu(tsu).unwrap().certificate().spki_der().to_vec();
        assert!(files.keys[tsu].attestations.values().all(|attested| attested.spki_der() == spki), "D7");
        let id = attestamp::hex::encode(&files.keys[tsu].claims.as_ref().unwrap().key.id);
        assert_eq!(files.find(&id).unwrap().0, tsu);
    }
    assert!(codes(&fixture.authority.readiness().warnings).iter().all(|code| !code.contains("attest")));
}

#[test]
fn what_is_stored_stays_until_the_token_or_the_configuration_says_something_else() {
    let fixture = Fixture::new();
    let before = on_disk(&fixture.place);
    assert_eq!(before.len(), 2);
    fixture.authority.renew_attestations().unwrap();
    fixture.reload().unwrap();
    assert_eq!(on_disk(&fixture.place), before);

    fixture.place.edit("# accept-unattested = false", "accept-unattested = true");
    fixture.reload().unwrap();
    assert_ne!(on_disk(&fixture.place), before);
    assert!(stored(&fixture, "default", ChainKind::PostQuantum).policy.unwrap().accept_unattested);
    // A key that satisfies D6 needs no such leave: nothing to warn of.
    assert!(!codes(&fixture.authority.readiness().warnings).contains(&"unattested-key"));
}

#[test]
fn a_missing_or_spoilt_attestation_is_made_again() {
    let fixture = Fixture::new();
    let layout = fixture.place.layout();
    std::fs::remove_file(layout.stored_attestation(ChainKind::Classical, "default")).unwrap();
    fixture.reload().unwrap();
    stored(&fixture, "default", ChainKind::Classical);

    let path = layout.stored_attestation(ChainKind::PostQuantum, "default");
    for damage in ["not PEM", ""] {
        std::fs::write(&path, damage).unwrap();
        fixture.reload().unwrap();
        stored(&fixture, "default", ChainKind::PostQuantum);
        // What was there is kept: it may be all that is left of a key.
        let kept = on_disk(&fixture.place).into_iter().find(|(path, content)| {
            path.to_str().unwrap().contains("default.pq.pem.damaged-") && content == damage.as_bytes()
        });
        std::fs::remove_file(kept.unwrap().0).unwrap();
    }
    assert!(!codes(&fixture.authority.readiness().warnings).contains(&"attestation-failed"));
}

/// A chain that is renewed or exchanged must not leave attestations behind that no auditor would accept.
#[test]
fn an_attestation_that_does_not_hold_under_the_chain_of_today_is_made_again() {
    let fixture = Fixture::new();
    let layout = fixture.place.layout();
    let stranger = Place::new(&["default"]);
    let path = layout.stored_attestation(ChainKind::Classical, "default");
    std::fs::copy(stranger.layout().stored_attestation(ChainKind::Classical, "default"), &path).unwrap();
    fixture.reload().unwrap();
    stored(&fixture, "default", ChainKind::Classical);
}

#[test]
fn d8_a_fresh_attestation_echoes_the_nonce_and_is_not_stored() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let before = on_disk(&fixture.place);
    let fresh = attest(&fixture, None, None).unwrap();
    assert_eq!(fresh.len(), 4);
    for ((_, kind), der) in &fresh {
        let claims = verified(&fixture, *kind, &Certificate::parse(der).unwrap()).claims;
        assert_eq!(claims.nonce, Some(nonce()));
    }
    let one = attest(&fixture, Some("second"), Some(ChainKind::PostQuantum)).unwrap();
    assert_eq!(one.into_keys().collect::<Vec<_>>(), [("second".to_owned(), ChainKind::PostQuantum)]);
    assert_eq!(on_disk(&fixture.place), before);
    assert_eq!(attest(&fixture, Some("third"), None), Err(AttestRefusal::NotAttested));
}

#[test]
fn fresh_attestations_have_a_budget_that_all_share_and_can_be_switched_off() {
    let fixture = Fixture::new();
    fixture.place.edit("# fresh-per-minute = 120", "fresh-per-minute = 6");
    fixture.reload().unwrap();
    attest(&fixture, None, None).unwrap();
    let limited = attest(&fixture, None, None).unwrap_err();
    assert!(matches!(limited, AttestRefusal::Limited { retry_after_seconds: 1..=20 }), "{limited:?}");
    fixture.place.edit("fresh-per-minute = 6", "fresh-per-minute = 0");
    fixture.reload().unwrap();
    assert_eq!(attest(&fixture, None, None), Err(AttestRefusal::Disabled));
}

#[test]
fn a_retired_key_keeps_its_last_attestation_with_the_time_of_its_end() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    fixture.reload().unwrap();
    let end = BOTH.map(|kind| stored(&fixture, "second", kind).end.unwrap());
    assert_eq!(end.map(|end| end.state), [KeyEndState::Retired; 2]);
    assert!(end[0].time <= system_time());
    assert_eq!(attest(&fixture, Some("second"), None), Err(AttestRefusal::NotAttested));
    // An interruption between the chains: once more makes whole what is missing.
    let layout = fixture.place.layout();
    let lost = layout.stored_attestation(ChainKind::PostQuantum, "second");
    std::fs::remove_file(&lost).unwrap();
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    fixture.reload().unwrap();
    assert_eq!(BOTH.map(|kind| stored(&fixture, "second", kind).end.unwrap()), end);
    // And then changes nothing.
    let before = on_disk(&fixture.place);
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    assert_eq!(on_disk(&fixture.place), before);

    // In use again, by hand: what was said of the end is kept.
    let retired = "retired = true";
    fixture.place.edit(retired, "retired = false");
    fixture.reload().unwrap();
    assert_eq!(BOTH.map(|kind| stored(&fixture, "second", kind).end), [None; 2]);
    let kept =
        on_disk(&fixture.place).into_iter().filter(|(path, _)| path.to_str().unwrap().contains(".ended-"));
    assert_eq!(kept.count(), 2);
    fixture.place.run(&["tsu", "retire", "second"]).succeeded();
    fixture.reload().unwrap();
    let end = BOTH.map(|kind| stored(&fixture, "second", kind).end.unwrap());

    // Destroyed later: the end of its use stays the first.
    fixture.place.run(&["tsu", "retire", "second", "--destroy-key"]).succeeded();
    fixture.place.run(&["tsu", "retire", "second", "--destroy-key"]).succeeded();
    fixture.reload().unwrap();
    for kind in BOTH {
        let destroyed = stored(&fixture, "second", kind).end.unwrap();
        assert_eq!((destroyed.state, destroyed.time), (KeyEndState::Destroyed, end[0].time));
    }
    assert!(files(&fixture).bundle(&Fresh::new()).iter().any(|file| file.path == "keys/second.pq.pem"));
}

#[test]
fn a_key_that_its_tsu_had_before_keeps_its_last_attestation() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let config = fixture.place.config();
    let (old, new) = (config.tsus["default"].key.to_string(), config.tsus["second"].key.to_string());
    let old_claims = stored(&fixture, "default", ChainKind::Classical);
    // As after `tsu new other`, with the tables exchanged by hand.
    let layout = fixture.place.layout();
    fixture.place.edit(&old, "KEPT");
    fixture.place.edit(&new, &old);
    fixture.place.edit("KEPT", &new);
    std::fs::rename(layout.tsu_chain("default"), layout.root().join("kept")).unwrap();
    std::fs::rename(layout.tsu_chain("second"), layout.tsu_chain("default")).unwrap();
    std::fs::rename(layout.root().join("kept"), layout.tsu_chain("second")).unwrap();
    fixture.reload().unwrap();
    let id = attestamp::hex::encode(&old_claims.key.id);
    let kept_name = format!("default-{}", &id[..8]);
    let kept = BOTH.map(|kind| stored(&fixture, &kept_name, kind));
    assert_eq!(kept[0].key, old_claims.key);
    assert_eq!(kept.map(|kept| kept.end.unwrap().state), [KeyEndState::Retired; 2], "still in the token");
    assert_eq!(stored(&fixture, "second", ChainKind::Classical).key, old_claims.key);
}

#[test]
fn d10_a_key_with_two_offices_is_refused() {
    let place = Place::new(&["default"]);
    let config = place.config();
    let attestation_key = &config.attestation.as_ref().unwrap().chains[&ChainKind::Classical].key;
    place.edit(&config.tsus["default"].key.to_string(), &attestation_key.to_string());
    // The TSU's certificate is for another key: that is found first.
    assert!(matches!(place.start(), Err(AuthorityError::Tsu { .. })));

    let place = Place::new(&["default", "second"]);
    let second = place.config().tsus["second"].key.to_string();
    let device = &place.config().attestation.unwrap().chains[&ChainKind::Classical];
    let text = std::fs::read_to_string(place.layout().config_file()).unwrap();
    place.edit(&device.key.to_string(), &device.device_key.to_string());
    place.run(&["check"]).refused(&["must be keys of their own"]);
    std::fs::write(place.layout().config_file(), text).unwrap();
    // A TSU that signs with the key of its CA.
    place.edit(&second, &place.config().authorities["tsa-ca"].key.to_string());
    place.renew_certificate("second", system_time());
    let refused = place.start().unwrap_err();
    assert!(matches!(refused, AuthorityError::Attestation(_)), "{refused:?}");
}

#[test]
fn two_tsus_with_one_key_are_the_operators_affair() {
    let place = Place::new(&["default", "second"]);
    let config = place.config();
    place.edit(&config.tsus["second"].key.to_string(), &config.tsus["default"].key.to_string());
    std::fs::copy(place.layout().tsu_chain("default"), place.layout().tsu_chain("second")).unwrap();
    let fixture = Fixture::on(place);
    assert!(fixture.authority.readiness().ready);
}

#[test]
fn a_missing_root_of_the_vendor_leaves_the_claims_the_hosts_word() {
    let fixture = Fixture::new();
    fixture.place.edit("# vendor-roots = []", "vendor-roots = [\"no-such.pem\"]");
    fixture.reload().unwrap();
    assert!(codes(&fixture.authority.readiness().warnings).contains(&"vendor-roots"));
    assert_eq!(stored(&fixture, "default", ChainKind::Classical).assurance, Assurance::HostAsserted);
    attest(&fixture, None, None).unwrap();
}

/// D10: a folder that has served must still serve when attestation keys cannot be added to it.
#[test]
fn attest_init_changes_nothing_where_one_key_has_two_offices() {
    let place = Place::new(&["default", "second"]);
    let second = place.config().tsus["second"].key.to_string();
    place.edit(&second, &place.config().authorities["tsa-ca"].key.to_string());
    place.renew_certificate("second", system_time());
    let path = place.layout().config_file();
    let text = std::fs::read_to_string(&path).unwrap();
    let without = &text[..text.find("# The keys that attest others").unwrap()];
    std::fs::write(&path, without).unwrap();
    std::fs::remove_dir_all(place.layout().attestation()).unwrap();
    place.run(&["attest", "init"]).refused(&["no attestation keys were made", "are one key"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), without);
    assert!(Fixture::on(place).authority.readiness().ready);
}

#[test]
fn attestation_keys_out_of_reach_keep_no_tsu_from_issuing() {
    let fixture = Fixture::new();
    let chains = fixture.place.config().attestation.unwrap().chains;
    let key = chains[&ChainKind::Classical].key.to_string();
    fixture.place.edit(&key, &key.replace(";id=%", ";id=%00%"));
    fixture.reload().unwrap();
    let readiness = fixture.authority.readiness();
    assert!(readiness.ready);
    assert!(codes(&readiness.warnings).contains(&"attestation-unavailable"));
    assert_eq!(attest(&fixture, None, None), Err(AttestRefusal::NoChain));
    // What was attested before is still there, without a chain of its own it is in no bundle.
    assert_eq!(files(&fixture).keys.len(), 1);
}

#[test]
fn a_folder_without_attestation_keys_says_so_and_gets_them() {
    let place = Place::new(&["default"]);
    let path = place.layout().config_file();
    let text = std::fs::read_to_string(&path).unwrap();
    let table = text.find("# The keys that attest others").unwrap();
    std::fs::write(&path, &text[..table]).unwrap();
    std::fs::remove_dir_all(place.layout().attestation()).unwrap();
    let fixture = Fixture::on(place);
    assert!(codes(&fixture.authority.readiness().warnings).contains(&"no-attestation"));
    assert_eq!(attest(&fixture, None, None), Err(AttestRefusal::NoChain));

    fixture.place.run(&["attest", "init"]).succeeded();
    fixture.place.run(&["attest", "init"]).refused(&["already"]);
    // Once more from the beginning: what the first chains signed is moved aside, and nothing is lost.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.find("# The keys that attest others").unwrap()]).unwrap();
    let said = fixture.place.run(&["attest", "init"]).succeeded();
    assert!(said.out.contains("is kept in"), "{said:?}");
    let aside = std::fs::read_dir(fixture.place.layout().attestation())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().join("keys").is_dir());
    assert_eq!(aside.count(), 2);
    // The clock of the test stands still; the chains are of now.
    fixture.pass(std::time::Duration::from_secs(60));
    fixture.reload().unwrap();
    for kind in BOTH {
        stored(&fixture, "default", kind);
    }
}

#[test]
fn show_new_and_bundle_are_what_an_auditor_reads() {
    let place = Place::new(&["default", "second"]);
    let shown = place.run(&["attest", "show", "second"]).succeeded();
    assert!(shown.out.contains("CKA_NEVER_EXTRACTABLE      TRUE"), "{shown:?}");
    assert!(
        shown.out.contains("the attestation holds as the word of its host (hostAsserted)"),
        "D11: {shown:?}"
    );
    assert!(!shown.out.contains("Key default"), "{shown:?}");
    place.run(&["attest", "show", "third"]).refused(&["no attestation of a key `third`", "default, second"]);

    let root = place.layout().attestation_file(ChainKind::Classical, "device-root.pem");
    let root = root.to_str().unwrap();
    let path = |name: &str| place.root().join(name).to_str().unwrap().to_owned();
    let (fresh, bundle, nonce) = (path("fresh.pem"), path("bundle.tar"), nonce().to_string());
    place.run(&["attest", "new", "second", "--nonce", &nonce, "--output", &fresh]).succeeded();
    place.run(&["attest", "verify", &fresh, "--root", root, "--nonce", &nonce]).succeeded();
    place.run(&["attest", "bundle", "--nonce", &nonce, "--output", &bundle]).succeeded();
    place.run(&["attest", "verify", &bundle, "--root", root, "--nonce", &nonce]).succeeded();
    place.run(&["attest", "new", "second", "--nonce", "00"]).misused(&["16 to 64 octets"]);
    place.run(&["attest", "new", "third", "--nonce", &nonce]).refused(&["no key `third`"]);
}

#[test]
fn evidence_is_carried_untouched_and_its_hash_attested() {
    let fixture = Fixture::new();
    let file = fixture.place.root().join("evidence");
    std::fs::write(&file, b"\x00what the vendor signed").unwrap();
    let file = file.to_str().unwrap();
    let store =
        |format: &str| fixture.place.run(&["attest", "evidence", "default", file, "--format", format]);
    store("2.999.1").succeeded();
    store("unheard-of").refused(&["no format"]);
    fixture
        .place
        .run(&["attest", "evidence", "third", file, "--format", "2.999.1"])
        .refused(&["no TSU `third`"]);
    // What an adapter finds wrong, what no bundle has room for, and what no attestation could name.
    store("yubihsm2").refused(&["nothing was stored"]);
    let long = format!("2.999{}", ".4294967295".repeat(11));
    store(&long).refused(&["too long for a bundle"]);
    for number in 2..=8 {
        store(&format!("2.999.{number}")).succeeded();
    }
    store("2.999.9").refused(&["no more can be attested"]);
    // One of those again takes no place of its own.
    store("2.999.8").succeeded();
    fixture.reload().unwrap();
    let claims = stored(&fixture, "default", ChainKind::Classical);
    let sha512 = attestamp_certs::HashAlgorithm::Sha512.digest(b"\x00what the vendor signed");
    assert_eq!(claims.evidence[0].sha512.as_slice(), sha512.as_ref());
    assert_eq!(claims.assurance, Assurance::HostAsserted, "D11: what was not verified changes nothing");
    let bundle = files(&fixture).bundle(&Fresh::new());
    let carried = bundle.iter().find(|file| file.path == "evidence/default/2.999.1").unwrap();
    assert_eq!(carried.content, b"\x00what the vendor signed");
}
