//! What `attestamp ledger …` refuses and says: files that are there, folders that are not, names that nobody has.

use std::fs;

use super::super::{errors, initialised, run};
use super::{Place, done, ended, text};

#[test]
fn nothing_is_overwritten_unasked() {
    let mut place = Place::new();
    place.stamp("FILE");
    let url = place.url();
    let remote = ["ledger", "prove", "FILE", "--url", &url];
    done(place.user(&remote));
    ended(&place.user(&remote), 1, "FILE.tlog-proof exists already; --force overwrites it");
    done(place.user(&[&remote[..], &["--force"]].concat()));
    place.stop();
    let output = place.path("kept");
    fs::write(&output, "mine").unwrap();
    let prove = ["prove", &place.path("FILE.tsr"), "-o", &output];
    ended(&place.ledger(&prove), 1, "exists already");
    let export = ["export", "1", "-o", &output];
    ended(&place.ledger(&export), 1, "exists already");
    assert_eq!(fs::read(&output).unwrap(), b"mine");
    done(place.ledger(&[&export[..], &["--force"]].concat()));
    assert!(fs::read(&output).unwrap().starts_with(b"ledger-segment-00000001/start"));
    // A segment that is not there leaves what was.
    ended(&place.ledger(&["export", "7", "-o", &output, "--force"]), 1, "it has segments 1 to 1");
    assert!(fs::metadata(&output).unwrap().len() > 100);
}

#[test]
fn tiles_are_not_written_among_those_of_others() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    let tiles = place.path("tiles");
    let export = ["export-tiles", tiles.as_str()];
    let forced = [&export[..], &["--force"]].concat();
    fs::create_dir_all(place.work.join("tiles/tile/0/000.p")).unwrap();
    fs::write(place.work.join("tiles/tile/0/000.p/1"), "of another ledger").unwrap();
    ended(&place.ledger(&export), 1, "--force writes over them");
    assert!(!place.work.join("tiles/checkpoint").exists());
    done(place.ledger(&forced));
    done(place.ledger(&export));
    // The checkpoint of another ledger, and one of ours that is not a beginning of what there is.
    let (_other, other) = initialised();
    let foreign = place.path("foreign");
    done(run(&other, &["ledger", "export-tiles", &foreign]));
    ended(&place.ledger(&["export-tiles", &foreign]), 1, "--force writes over them");
    let before = fs::read_to_string(place.work.join("tiles/checkpoint")).unwrap();
    done(place.ledger(&["export-tiles", &foreign, "--force"]));
    assert_eq!(fs::read_to_string(place.work.join("foreign/checkpoint")).unwrap(), before);
}

#[test]
fn a_segment_is_verified_with_nothing_but_its_archive() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    // Keys of a ledger that was before.
    done(place.ledger(&["init", "--new", "--ledger-origin", "tsa.example.org/new"]));
    done(place.ledger(&["export", "1", "-o", &place.path("segment.tar")]));
    let alone = place.work.join("alone");
    fs::create_dir(&alone).unwrap();
    fs::rename(place.work.join("segment.tar"), alone.join("segment.tar")).unwrap();
    let in_alone = |program: &str, args: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(&alone).env("ATTESTAMP_DATA", alone.join("none")).output().unwrap()
    };
    assert!(in_alone("tar", &["xf", "segment.tar"]).status.success());
    let segment = "ledger-segment-00000001";
    let keys = format!("{segment}/keys.txt");
    let verify = ["ledger", "verify", "--folder", segment, "--keys", &keys];
    let holds = done(in_alone(super::super::PROGRAM, &verify));
    assert!(holds.contains("holds: the ledger tsa.example.org/new"), "{holds}");
    let entries = alone.join(segment).join("entries");
    let mut octets = fs::read(&entries).unwrap();
    octets[50] ^= 1;
    fs::write(&entries, octets).unwrap();
    ended(&in_alone(super::super::PROGRAM, &verify), 1, "does not hold");
}

#[test]
fn a_folder_without_a_ledger_is_not_said_to_be_damaged() {
    let (_folder, data) = initialised();
    let nowhere = data.join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    for args in [
        &["ledger", "verify", "--folder", nowhere][..],
        &["ledger", "list", "--from", "2020-01-01", "--to", "2030-01-01", "--folder", nowhere],
    ] {
        let output = run(&data, args);
        assert!(!output.status.success());
        let said = errors(&output);
        assert!(said.contains("there is no ledger in") && said.contains("is its disk mounted"), "{said}");
        assert!(!said.contains("damaged"), "{said}");
    }
    fs::rename(data.join("ledger"), data.join("elsewhere")).unwrap();
    for args in [&["status"][..], &["verify"], &["checkpoint"], &["export", "1", "-o", "x"]] {
        let said = errors(&run(&data, &[&["ledger"], args].concat()));
        assert!(said.contains("there is no ledger in"), "{args:?}: {said}");
    }
}

#[test]
fn a_file_of_keys_has_a_bound() {
    let (folder, data) = initialised();
    let keys = folder.path().join("keys.txt");
    let verify = ["ledger", "verify", "--keys", keys.to_str().unwrap()];
    let mut long = fs::read(data.join("certs/ledger/keys.txt")).unwrap();
    fs::write(&keys, &long).unwrap();
    done(run(&data, &verify));
    long.resize((1 << 20) + 1, b'\n');
    fs::write(&keys, &long[..1 << 20]).unwrap();
    done(run(&data, &verify));
    fs::write(&keys, &long).unwrap();
    ended(&run(&data, &verify), 2, "has more than 1048576 octets");
    let endless = ["ledger", "verify", "--keys", "/dev/zero"];
    ended(&run(&data, &endless), 2, "has more than 1048576 octets");
}

#[test]
fn a_name_that_no_tsu_has_is_said() {
    let (_folder, data) = initialised();
    let list = |tsu: &str| {
        run(&data, &["ledger", "list", "--from", "2020-01-01", "--to", "2020-01-02", "--tsu", tsu])
    };
    // Nothing was issued, and the name is right.
    assert_eq!(done(list("default")), "0 timestamps\n");
    ended(
        &list("defualt"),
        1,
        "no TSU `defualt` is known in the ledger or in attestamp.toml; those are: default",
    );
    assert!(run(&data, &["tsu", "new", "gone"]).status.success());
    assert!(run(&data, &["tsu", "retire", "gone"]).status.success());
    done(list("gone"));
}

/// Tiles and indexes are no evidence: what is wrong in them is found, and computed anew when the operator says so.
#[test]
fn an_index_that_was_altered_is_found_and_computed_anew() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    for name in ["index/bundles", "tiles/0"] {
        let path = place.data.join("ledger").join(name);
        let mut octets = fs::read(&path).unwrap();
        octets[7] ^= 1;
        fs::write(&path, octets).unwrap();
        ended(&place.ledger(&["verify"]), 1, "delete the ledger's `index/derived`, and start it");
        let _ = fs::remove_file(place.data.join("ledger/index/derived"));
        place.serve();
        place.stop();
        done(place.ledger(&["verify"]));
    }
}

/// E8: silence is right where a server sees the change itself, and nowhere else.
#[test]
fn an_event_that_is_not_recorded_is_said() {
    let mut place = Place::new();
    let chain = place.path("chain.pem");
    fs::copy(place.data.join("certs/tsu/default.pem"), &chain).unwrap();
    let import = |place: &Place| {
        let output = run(&place.data, &["tsu", "import", "default", &chain]);
        assert!(output.status.success(), "{}", errors(&output));
        errors(&output)
    };
    assert!(!import(&place).contains("no record"));
    place.stop();
    assert!(!import(&place).contains("no record"));
    // Nobody can lock this.
    let lock = place.data.join("state/lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let said = import(&place);
    assert!(said.contains("warning: this is done, and the ledger has no record of it"), "{said}");
    assert!(said.contains("locked"), "{said}");
    assert!(text(&run(&place.data, &["ledger", "status"])).contains("checkpoint"));
}
