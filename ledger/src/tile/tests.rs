//! Paths of C2SP tlog-tiles.

use super::*;

#[test]
fn e1_paths_are_read_and_written() {
    let hashes = |level, index, width| TilePath::Hashes { level, index, width };
    let cases = [
        ("tile/0/x001/x234/067", hashes(0, 1_234_067, 256)),
        ("tile/0/000", hashes(0, 0, 256)),
        ("tile/63/999.p/255", hashes(63, 999, 255)),
        ("tile/1/x001/000.p/1", hashes(1, 1000, 1)),
        ("tile/entries/x001/x234/067.p/12", TilePath::Entries { index: 1_234_067, width: 12 }),
    ];
    for (text, path) in cases {
        assert_eq!(TilePath::parse(text), Some(path));
        assert_eq!(path.to_string(), text);
    }
}

#[test]
fn e1_a_path_has_one_form() {
    let others = [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/0/x000/001",
        "tile/0/x000",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/x01/002",
        "tile/0/x001//002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p",
        "tile/0/001/",
        "/tile/0/001",
        "tile/entries",
        "tile/entries/+01",
        "tile/Entries/001",
        "checkpoint",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/é01",
    ];
    for other in others {
        assert_eq!(TilePath::parse(other), None, "{other}");
    }
}
