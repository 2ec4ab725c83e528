//! Tests of the data folder on real files: permissions, the lock, atomic writes and the sentences of its errors.

use super::*;

fn initialised(root: &Path) -> DataFolder {
    let folder = DataFolder::create(root).expect("a new folder");
    write_atomically(&folder.layout().config_file(), b"# configuration\n", FILE_MODE).expect("written");
    folder
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").mode() & 0o777
}

#[test]
fn create_makes_the_layout_for_the_owner_alone() {
    let parent = tempfile::tempdir().expect("tempdir");
    let root = parent.path().join("deep/data");
    let folder = initialised(&root);
    for subfolder in SUBFOLDERS {
        assert_eq!(mode_of(&root.join(subfolder)), FOLDER_MODE, "{subfolder}");
    }
    assert_eq!(mode_of(&root), FOLDER_MODE);
    assert_eq!(mode_of(&folder.layout().config_file()), FILE_MODE);
    assert_eq!(mode_of(&folder.layout().lock_file()), FILE_MODE);
    for path in [
        folder.layout().ca_certificate("root"),
        folder.layout().ca_revocation_list("root"),
        folder.layout().tsu_chain("default"),
        folder.layout().token_database(),
        folder.layout().pin_file(),
        folder.layout().so_pin_file(),
        folder.layout().clock_mark_file(),
    ] {
        assert!(path.parent().expect("parent").is_dir(), "{}", path.display());
    }
}

#[test]
fn create_tightens_an_empty_folder_that_was_open() {
    let root = tempfile::tempdir().expect("tempdir");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let _folder = initialised(root.path());
    assert_eq!(mode_of(root.path()), FOLDER_MODE);
}

#[test]
fn create_refuses_whatever_is_there_already() {
    let root = tempfile::tempdir().expect("tempdir");
    fs::write(root.path().join("thesis.txt"), b"years of work").expect("written");
    assert!(matches!(DataFolder::create(root.path()), Err(DataFolderError::NotEmpty { .. })));

    let root = tempfile::tempdir().expect("tempdir");
    let running = DataFolder::create(root.path()).expect("a new folder");
    assert!(matches!(DataFolder::create(root.path()), Err(DataFolderError::InUse { .. })));
    assert!(matches!(DataFolder::open(root.path()), Err(DataFolderError::InUse { .. })));
    drop(running);
    assert!(matches!(DataFolder::create(root.path()), Err(DataFolderError::Unfinished { .. })));
    assert!(matches!(DataFolder::open(root.path()), Err(DataFolderError::Unfinished { .. })));

    let root = tempfile::tempdir().expect("tempdir");
    drop(initialised(root.path()));
    assert!(matches!(DataFolder::create(root.path()), Err(DataFolderError::AlreadyInitialised { .. })));
}

/// Somebody who is told to remove the folder would remove the keys of a live TSU with it.
#[test]
fn a_lost_configuration_is_not_taken_for_an_unfinished_init() {
    let root = tempfile::tempdir().expect("tempdir");
    let folder = initialised(root.path());
    folder.complete().expect("completed");
    let configuration = folder.layout().config_file();
    drop(folder);
    fs::remove_file(configuration).expect("removed");
    for error in [DataFolder::open(root.path()), DataFolder::create(root.path())]
        .map(|result| result.expect_err("lost"))
    {
        assert!(matches!(error, DataFolderError::ConfigurationLost { .. }), "{error:?}");
        assert!(error.to_string().contains("restore"), "{error}");
    }
}

/// A backup leaves `state` out.
#[test]
fn open_makes_the_state_folder_again() {
    let root = tempfile::tempdir().expect("tempdir");
    drop(initialised(root.path()));
    fs::remove_dir_all(root.path().join("state")).expect("removed");
    let folder = DataFolder::open(root.path()).expect("opens");
    assert_eq!(mode_of(&folder.layout().state()), FOLDER_MODE);
}

#[test]
fn create_says_that_a_file_is_no_folder() {
    let root = tempfile::tempdir().expect("tempdir");
    let file = root.path().join("file");
    fs::write(&file, b"kept").expect("written");
    assert!(matches!(DataFolder::create(&file), Err(DataFolderError::NotAFolder { .. })));
    assert_eq!(fs::read(&file).expect("read"), b"kept");
}

#[test]
fn open_says_to_run_init_where_there_is_no_data_folder() {
    let root = tempfile::tempdir().expect("tempdir");
    let error = DataFolder::open(root.path()).expect_err("an empty folder");
    assert!(matches!(error, DataFolderError::NotInitialised { .. }));
    assert!(error.to_string().contains("attestamp init"), "{error}");

    let absent = root.path().join("absent");
    let error = DataFolder::open(&absent).expect_err("no folder");
    assert!(matches!(error, DataFolderError::Absent { .. }));
    assert!(error.to_string().contains("attestamp init"), "{error}");

    let file = root.path().join("file");
    fs::write(&file, b"").expect("written");
    assert!(matches!(DataFolder::open(&file), Err(DataFolderError::NotAFolder { .. })));
}

#[test]
fn open_refuses_a_folder_that_every_user_can_read() {
    let root = tempfile::tempdir().expect("tempdir");
    drop(initialised(root.path()));
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let error = DataFolder::open(root.path()).expect_err("open to others");
    assert!(matches!(error, DataFolderError::OpenToOthers { mode: 0o755, .. }));
    assert!(error.to_string().contains("mode 755"), "{error}");
}

/// Hostile row 8: two processes on one data folder. A second open file description is what a second process has.
#[test]
fn a_second_holder_is_refused_and_told_who_holds_the_folder() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = initialised(root.path());
    let error = DataFolder::open(root.path()).expect_err("held");
    let process_id = std::process::id();
    assert!(
        matches!(error, DataFolderError::InUse { holder: Holder { process_id: Some(found) }, .. } if found == process_id),
        "{error:?}"
    );
    assert!(error.to_string().contains(&format!("process {process_id}")), "{error}");

    let layout = Layout::existing(root.path()).expect("readable beside the holder");
    assert_eq!(layout.holder().expect("tried"), Some(Holder { process_id: Some(process_id) }));
    drop(first);
    assert_eq!(layout.holder().expect("tried"), None);
    drop(DataFolder::open(root.path()).expect("free again"));
}

#[test]
fn a_longer_process_id_of_an_earlier_holder_leaves_no_digits_behind() {
    let root = tempfile::tempdir().expect("tempdir");
    let layout = initialised(root.path()).layout().clone();
    fs::write(layout.lock_file(), b"99999999999999\n").expect("written");
    let _folder = DataFolder::open(root.path()).expect("opens");
    assert_eq!(fs::read_to_string(layout.lock_file()).expect("read"), format!("{}\n", std::process::id()));
}

#[test]
fn an_atomic_write_replaces_the_whole_file_and_its_mode() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("chain.pem");
    write_atomically(&path, b"a much longer first version", 0o600).expect("written");
    write_atomically(&path, b"second", 0o644).expect("written");
    assert_eq!(fs::read(&path).expect("read"), b"second");
    assert_eq!(mode_of(&path), 0o644);
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[test]
fn an_atomic_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().expect("tempdir");
    // A folder in the place of the file makes the rename fail after the write has succeeded.
    let path = folder.path().join("occupied");
    fs::create_dir(&path).expect("made");
    fs::write(path.join("inside"), b"kept").expect("written");
    assert!(write_atomically(&path, b"new", 0o600).is_err());
    assert_eq!(fs::read(path.join("inside")).expect("read"), b"kept");
    assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[test]
fn concurrent_atomic_writes_never_show_a_mixture() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("file");
    std::thread::scope(|scope| {
        for letter in [b'a', b'b', b'c', b'd'] {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..5 {
                    write_atomically(path, &[letter; 10_000], FILE_MODE).expect("written");
                    let read = fs::read(path).expect("read");
                    assert_eq!(read.len(), 10_000);
                    assert!(read.windows(2).all(|pair| pair[0] == pair[1]));
                }
            });
        }
    });
}

#[test]
fn opening_removes_what_a_crash_left_and_nothing_else() {
    let root = tempfile::tempdir().expect("tempdir");
    let layout = initialised(root.path()).layout().clone();
    let leftovers = [
        root.path().join(".attestamp.toml.1-0.attestamp-unfinished"),
        layout.state().join(".clock-mark.json.1-1.attestamp-unfinished"),
        layout.tsu_certificates().join(".default.pem.1-2.attestamp-unfinished"),
    ];
    for leftover in &leftovers {
        fs::write(leftover, b"half").expect("written");
    }
    fs::write(layout.tsu_chain("default"), b"whole").expect("written");
    let _folder = DataFolder::open(root.path()).expect("opens");
    assert!(leftovers.iter().all(|leftover| !leftover.exists()));
    assert!(layout.tsu_chain("default").exists());
    assert!(layout.config_file().exists());
}

#[test]
fn the_path_is_chosen_by_argument_then_variable_then_xdg_then_home() {
    let mut choice = PathChoice {
        argument: Some(PathBuf::from("argument")),
        attestamp_data: Some("variable".into()),
        xdg_state_home: Some("/xdg".into()),
        home: Some("/home/ada".into()),
        is_root: false,
    };
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("argument")));
    choice.argument = None;
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("variable")));
    choice.attestamp_data = Some("".into());
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("/xdg/attestamp")));
    choice.xdg_state_home = Some("relative".into());
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("/home/ada/.local/state/attestamp")));
    choice.home = None;
    assert_eq!(choice.clone().resolve(), Err(NoDefaultPath));
    choice.is_root = true;
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("/var/lib/attestamp")));
    choice.home = Some("/".into());
    assert_eq!(choice.clone().resolve(), Ok(PathBuf::from("/var/lib/attestamp")));
    choice.home = Some("/root".into());
    assert_eq!(choice.resolve(), Ok(PathBuf::from("/root/.local/state/attestamp")));
}
