//! What must not start does not: one clear sentence that names what is wrong, an exit code other than 0, no panic.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::tools::Finished;

/// `serve` and `check` must both refuse and say these words.
fn refused(folder: &DataFolder, words: &[&str]) -> Result<()> {
    for finished in [folder.serve_refused()?, folder.run(&["check"])?] {
        says_why(finished, words)?;
    }
    Ok(())
}

fn says_why(finished: Finished, words: &[&str]) -> Result<()> {
    let mut finished = finished.failed()?.did_not_say("panicked")?.did_not_say("RUST_BACKTRACE")?;
    for word in words {
        finished = finished.said(word)?;
    }
    ensure!(finished.stderr.trim().len() < 1500, "not one clear sentence: {finished}");
    Ok(())
}

#[test]
fn a_folder_without_init() -> Result<()> {
    let folder = DataFolder::empty()?;
    refused(&folder, &["attestamp", "init"])
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("\nlisten = ", "\nlisen = ")?;
    refused(&folder, &["lisen", "did you mean `listen`"])
}

#[test]
fn a_configuration_that_is_not_toml_names_the_line() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("[server]", "[server")?;
    refused(&folder, &["attestamp.toml", "line"])
}

#[test]
fn a_value_out_of_bounds_names_its_key() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("[tsu.default]\n", "[tsu.default]\naccuracy-milliseconds = 1000\n")?;
    refused(&folder, &["tsu.default", "accuracy"])
}

#[test]
fn a_wrong_pin_is_named_and_never_shown() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let pin = folder.path().join("token/pin");
    let right = std::fs::read_to_string(&pin).context("token/pin")?;
    std::fs::write(&pin, "a-wrong-pin-0123456789\n")?;
    let finished = folder.serve_refused()?.did_not_say("a-wrong-pin-0123456789")?;
    says_why(finished, &["PIN", "CKR_PIN_INCORRECT"])?;
    // It was the PIN and nothing else.
    std::fs::write(&pin, right)?;
    folder.serve()?.stop()?;
    Ok(())
}

#[test]
fn a_missing_pin_file_names_its_path() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    std::fs::remove_file(folder.path().join("token/pin"))?;
    refused(&folder, &["token/pin"])
}

#[test]
fn a_missing_module_names_its_path() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("module = \"embedded\"", "module = \"/nowhere/libpkcs11.so\"")?;
    refused(&folder, &["/nowhere/libpkcs11.so"])
}

#[test]
fn a_file_that_is_no_module_names_its_path() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let no_module = folder.write("no-module.so", "not a library")?;
    let module = format!("module = \"{}\"", no_module.display());
    folder.edit_configuration("module = \"embedded\"", &module)?;
    refused(&folder, &["no-module.so"])
}

#[test]
fn a_certificate_of_another_key_is_refused() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let other = DataFolder::with_default_tsu()?;
    let certificate = "certs/tsu/default.pem";
    std::fs::copy(other.path().join(certificate), folder.path().join(certificate))?;
    refused(&folder, &["default", "key"])
}

#[test]
fn without_any_certificate_it_says_how_to_get_one() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    std::fs::remove_file(folder.path().join("certs/tsu/default.pem"))?;
    refused(&folder, &["tsu csr", "tsu import"])
}

#[test]
fn a_lost_token_database_is_refused() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    std::fs::remove_file(folder.path().join("token/token.sql"))?;
    refused(&folder, &["token"])?;
    ensure!(!folder.path().join("token/token.sql").exists(), "an empty token was made in its place");
    Ok(())
}

#[test]
fn a_damaged_token_database_is_refused() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    std::fs::write(folder.path().join("token/token.sql"), b"this is not a database")?;
    refused(&folder, &["token"])
}

#[test]
fn an_address_that_is_taken_is_named() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    says_why(folder.run(&["serve", "--listen", &address])?, &[&address])
}

#[test]
fn a_second_init_changes_nothing() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let configuration = folder.path().join("attestamp.toml");
    let before = std::fs::read(&configuration)?;
    says_why(folder.run(&["init", "--clock", "system"])?, &["init"])?;
    ensure!(std::fs::read(&configuration)? == before, "the configuration was changed");
    Ok(())
}
