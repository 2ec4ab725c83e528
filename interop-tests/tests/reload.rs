//! `attestamp reload`: what it takes over, and what it says of the rest.

use anyhow::{Context as _, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;

fn warnings(authority: &Authority) -> Result<String> {
    let ready: serde_json::Value = serde_json::from_slice(&authority.fetch("/readyz")?)?;
    Ok(ready.get("warnings").context("warnings")?.to_string())
}

#[test]
fn settings_that_only_a_start_takes_are_named_until_they_are_taken_or_undone() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let (before, after) = ("# max-jump-milliseconds = 1000", "max-jump-milliseconds = 900");
    folder.edit_configuration(before, after)?;
    folder.edit_configuration("# body-octets = 16384", "body-octets = 16000")?;
    // Each time until something is done about it.
    for _ in 0..2 {
        folder
            .run(&["reload"])?
            .succeeded()?
            .said("only a start takes what has changed in [limits], [clock]")?;
        let warnings = warnings(&authority)?;
        ensure!(warnings.contains("restart-needed") && warnings.contains("[limits], [clock]"), "{warnings}");
    }
    folder.edit_configuration("body-octets = 16000", "# body-octets = 16384")?;
    folder.run(&["reload"])?.succeeded()?.said("only a start takes what has changed in [clock]")?;
    folder.edit_configuration(after, before)?;
    folder.run(&["reload"])?.succeeded()?.did_not_say("only a start")?;
    ensure!(!warnings(&authority)?.contains("restart-needed"), "it stays");
    let said = authority.stop()?;
    ensure!(said.lines().all(|line| line.starts_with('{')), "the log is not JSON alone: {said}");
    Ok(())
}

#[test]
fn a_retired_default_says_who_answers_from_now_on() -> Result<()> {
    let folder = DataFolder::initialised_with(&["--tsu", "default:p-256", "--tsu", "other:p-256"])?;
    let retired = folder.run(&["tsu", "retire", "default"])?.succeeded()?;
    retired.said("`POST /`, which TSU other does from now on")?;
    Ok(())
}
