//! `tsu new`, `csr`, `import` and `list`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use attestamp::clock::system_time;
use attestamp_certs::UnixTime;

use crate::place::{Place, openssl};

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Writes a chain to be imported.
fn chain(place: &Place, content: &str) -> String {
    let path = place.root().join("chain.pem");
    std::fs::write(&path, content).unwrap();
    text(&path)
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_csr_is_signed_by_the_tsu_s_key() {
    let place = Place::new(&["default"]);
    let path = text(&place.root().join("request.pem"));
    place
        .run(&["tsu", "csr", "default", "--country=BE", "--organization=Ärzte & Co", "-o", &path])
        .succeeded();
    let verified = openssl(&["req", "-verify", "-noout", "-in", &path]);
    assert!(verified.error.contains("verify OK"), "{verified:?}");
    let key = |command, file: &str| openssl(&[command, "-noout", "-pubkey", "-in", file]).out;
    assert_eq!(key("req", &path), key("x509", &text(&place.layout().tsu_chain("default"))));
    assert_eq!(place.run(&["tsu", "csr", "default", "--country=BE", "--organization=x"]).code, Some(0));
    place.run(&["tsu", "csr", "second"]).refused(&["there is no TSU `second`"]);
    place.run(&["tsu", "csr", "default", "--country=Belgium"]).misused(&["two upper-case letters"]);
}

#[test]
fn import_takes_a_new_certificate_for_the_tsu_s_key() {
    let place = Place::new(&["default"]);
    let path = place.layout().tsu_chain("default");
    let old = read(path.clone());
    place.renew_certificate("default", system_time());
    let new = read(path.clone());
    assert_ne!(old, new);
    std::fs::write(&path, old).unwrap();
    let done = place.run(&["tsu", "import", "default", &chain(&place, &new)]).succeeded();
    assert!(done.out.contains("attestamp reload"), "{done:?}");
    assert_eq!(read(path), new);
    place.run(&["check", "--quiet"]).succeeded();
}

#[test]
fn import_refuses_what_is_not_a_chain_for_the_tsu_s_key_and_keeps_the_old_one() {
    let place = Place::new(&["default", "second"]);
    let layout = place.layout();
    let good = read(layout.tsu_chain("default"));
    let certificates: Vec<_> = good.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let [leaf, ca, root] = certificates[..] else { panic!("{good}") };
    let cases = [
        (read(layout.tsu_chain("second")), "another key"),
        (leaf.to_owned(), "holds only the TSU's certificate"),
        (format!("{leaf}{root}"), "not a chain"),
        (format!("{leaf}{root}{ca}"), "not issued by the one that follows"),
        (format!("{ca}{root}"), "not one for timestamping"),
        (format!("{root}{leaf}"), "not one for timestamping"),
        (format!("{leaf}{leaf}"), "not a CA's"),
        ("garbage".to_owned(), "chain.pem"),
        (String::new(), "chain.pem"),
        (good.replace('M', "!"), "does not hold certificates"),
    ];
    for (content, word) in cases {
        place.run(&["tsu", "import", "default", &chain(&place, &content)]).refused(&[word]);
        assert_eq!(read(layout.tsu_chain("default")), good);
    }
    let tomorrow = system_time().as_secs() + 86_400;
    place.renew_certificate("default", UnixTime::since_unix_epoch(Duration::from_secs(tomorrow)));
    let early = read(layout.tsu_chain("default"));
    std::fs::write(layout.tsu_chain("default"), &good).unwrap();
    place.run(&["tsu", "import", "default", &chain(&place, &early)]).refused(&["not valid before"]);
    assert_eq!(read(layout.tsu_chain("default")), good);

    let absent = text(&place.root().join("absent.pem"));
    place.run(&["tsu", "import", "default", &absent]).refused(&["cannot read", "absent.pem"]);
    place.run(&["tsu", "import", "default", &chain(&place, &good)]).succeeded();
    place.run(&["check", "--quiet"]).succeeded();
}

#[test]
fn new_makes_a_tsu_with_a_certificate_and_a_policy_of_its_own() {
    let place = Place::new(&["default"]);
    place.run(&["tsu", "new", "second"]).succeeded();
    place.run(&["tsu", "new", "waiting", "--external-ca", "--algorithm=ed25519"]).succeeded();
    place.run(&["tsu", "new", "second"]).refused(&["there is a TSU `second` already"]);
    place.run(&["tsu", "new", "Second"]).misused(&["lower-case"]);
    let checked = place.run(&["check"]).succeeded();
    assert!(checked.out.contains("default (p-256), second (p-256)"), "{checked:?}");
    assert!(checked.out.contains("waits for a certificate"), "{checked:?}");

    let listed = place.run(&["tsu", "list", "--json"]).succeeded().out;
    let rows: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let column =
        |key: &str| -> Vec<_> { rows.as_array().unwrap().iter().map(|row| row[key].to_string()).collect() };
    assert_eq!(column("name"), [r#""default""#, r#""second""#, r#""waiting""#]);
    assert_eq!(column("state"), [r#""active""#, r#""active""#, r#""no certificate""#]);
    assert_eq!(column("policies"), [r#"["2.999.3161.1"]"#, r#"["2.999.3161.2"]"#, r#"["2.999.3161.3"]"#]);
    // The organisation is that of the CA.
    let subject = openssl(&["x509", "-noout", "-subject", "-in", &text(&place.layout().tsu_chain("second"))]);
    assert!(subject.out.contains("attestamp evaluation"), "{subject:?}");
}
