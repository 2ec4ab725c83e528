//! Every test and fuzz target that docs/hostile-input.md names is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// How many rows the table has at the least: a table that cannot be read would pass.
const LEAST_NAMES: usize = 100;

fn workspace() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace's folder")?.to_owned())
}

/// Sources of the workspace, and not what was built from them.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found)?;
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Names of the functions that are tests: an attribute stands above them.
fn tests_in(source: &str, found: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("#[rstest") {
            is_test = true;
        } else if let Some(rest) =
            line.split_once("fn ").map(|(_, rest)| rest).filter(|_| !line.starts_with("//"))
        {
            if is_test {
                found.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
            is_test = false;
        }
    }
    // hsm's suites hand their tests to a macro, which makes one of each for every token.
    let macros = source.split("fn ").skip(1).filter(|rest| rest.contains("fixture: &Fixture"));
    found.extend(macros.filter_map(|rest| rest.split('(').next()).map(str::to_owned));
}

#[test]
fn every_test_that_the_table_names_is_there() -> Result<()> {
    let root = workspace()?;
    let table = std::fs::read_to_string(root.join("docs/hostile-input.md"))?;
    let (mut files, mut tests) = (Vec::new(), BTreeSet::new());
    sources(&root, &mut files)?;
    for file in files {
        tests_in(&std::fs::read_to_string(file)?, &mut tests);
    }
    let mut checked = 0;
    for line in table.lines().filter(|line| line.starts_with('|')) {
        let Some(last) = line.trim_end_matches('|').rsplit('|').next() else { continue };
        for name in last.split('`').skip(1).step_by(2) {
            let is_target = root.join(format!("fuzz/fuzz_targets/{name}.rs")).is_file();
            ensure!(
                is_target || tests.contains(name),
                "docs/hostile-input.md names {name}, which is no test"
            );
            checked += 1;
        }
    }
    ensure!(checked >= LEAST_NAMES, "only {checked} names were read");
    Ok(())
}
