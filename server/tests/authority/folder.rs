//! The data folder: `init` overwrites nothing and leaves nothing half-made, and one process has it at a time.

use attestamp::data_folder::DataFolder;

use crate::place::{Place, attestamp};

#[test]
fn init_refuses_a_folder_with_something_in_it() {
    let place = Place::new(&["default"]);
    let config = std::fs::read(place.layout().config_file()).unwrap();
    place.run(&["init"]).refused(&["already"]);
    assert_eq!(std::fs::read(place.layout().config_file()).unwrap(), config);
    place.run(&["check", "--quiet"]).succeeded();

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "mine").unwrap();
    attestamp(&["--data", folder.path().to_str().unwrap(), "init"]).refused(&["empty"]);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine"]);
}

#[test]
fn a_failing_init_removes_what_it_made_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let init = ["--data", path, "init", "--clock=system", "--tsu=default:p-256"];
    // Found only when the module is loaded: the folder is there by then.
    let module = ["--module=/nowhere.so", "--token-uri=pkcs11:token=x", "--pin-file=/dev/null"];
    attestamp(&[&init[..], &module].concat()).refused(&["nothing was made"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    attestamp(&init).succeeded();
    attestamp(&["--data", path, "check", "--quiet"]).succeeded();
}

#[test]
fn a_second_process_on_a_data_folder_is_refused_with_the_first_one_s_number() {
    let place = Place::new(&["default"]);
    let held = DataFolder::open(place.root()).unwrap();
    let id = std::process::id().to_string();
    for command in [&["serve"][..], &["tsu", "new", "x"], &["tsu", "retire", "default"]] {
        place.run(command).refused(&[&id]);
    }
    // What only reads goes on.
    for command in [&["check"][..], &["status"], &["tsu", "list"], &["tsu", "csr", "default"]] {
        place.run(command).succeeded();
    }
    assert!(place.run(&["status", "--json"]).out.contains(&id));
    drop(held);
    place.run(&["tsu", "retire", "default"]).succeeded();
}
