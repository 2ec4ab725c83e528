//! What `docs/operations.md` promises: a section for each code of `/readyz`, and a back-up and a restore that work.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::prometheus::repository_file;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::tools::{Finished, Tool};

const SHELL: Tool = Tool { name: "bash", package: "bash" };

fn document() -> Result<String> {
    Ok(std::fs::read_to_string(repository_file("docs/operations.md"))?)
}

/// The words in quotes that are made as the codes are: small letters and hyphens, at least two words.
fn codes_in(source: &str) -> BTreeSet<String> {
    // What follows the tests' own line is no program.
    let program = source.split("#[cfg(test)]").next().unwrap_or(source);
    let words = program
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let is_code = |word: &String| {
        word.split('-').count() > 1
            && word.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()))
    };
    words.filter(is_code).collect()
}

#[test]
fn each_code_of_readyz_has_a_section() -> Result<()> {
    let mut codes = BTreeSet::new();
    for file in ["authority/readiness.rs", "authority/attesting.rs", "clock/refusal.rs", "tsu/signer.rs"] {
        let source = std::fs::read_to_string(repository_file("server/src").join(file))?;
        let found = codes_in(&source);
        ensure!(!found.is_empty(), "no codes in {file}: where have they gone?");
        codes.extend(found);
    }
    // Serde's word for how fields are written.
    codes.remove("kebab-case");
    ensure!(codes.len() >= 25, "only {codes:?}");
    let document = document()?;
    let sections: BTreeSet<&str> = document.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let missing: Vec<_> = codes.iter().filter(|code| !sections.contains(code.as_str())).collect();
    ensure!(missing.is_empty(), "docs/operations.md has no section for {missing:?}");
    Ok(())
}

#[test]
fn what_a_server_says_of_itself_is_documented() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let readiness: serde_json::Value = serde_json::from_slice(&authority.fetch("/readyz")?)?;
    let warnings = readiness["warnings"].as_array().context("no warnings")?;
    ensure!(!warnings.is_empty(), "an evaluation authority warns: {readiness}");
    let document = document()?;
    for warning in warnings {
        let code = warning["code"].as_str().context("no code")?;
        ensure!(document.contains(&format!("\n### {code}\n")), "{code}");
    }
    Ok(())
}

/// The commands of the n-th block of a section.
fn commands(section: &str, number: usize) -> Result<String> {
    let document = document()?;
    let start =
        document.find(&format!("\n## {section}\n")).with_context(|| format!("no section {section}"))?;
    let text = document.get(start + 4..).context("no text")?;
    let text = text.split("\n## ").next().unwrap_or(text);
    let block = text.split("```sh\n").nth(number).and_then(|rest| rest.split("```").next());
    Ok(block.with_context(|| format!("{section} has no block {number}"))?.to_owned())
}

/// Runs the document's commands, with the folders of the test in place of the machine's, and without the service manager:
/// the test starts and stops the server itself.
fn run(commands: &str, data: &Path, backup: &Path, program: &Path) -> Result<Finished> {
    let script = commands
        .replace("/var/lib/attestamp", &data.display().to_string())
        .replace("BACKUP/", &format!("{}/", backup.display()))
        .replace("sudo -u attestamp attestamp", &program.display().to_string())
        .replace("systemctl stop attestamp &&", "")
        .replace("&& systemctl start attestamp", "")
        .replace("systemctl start attestamp", "")
        .replace("-o attestamp -g attestamp ", "")
        .replace("chown -R attestamp:attestamp . &&", "");
    if ["systemctl", "sudo", "/var/lib"].iter().any(|word| script.contains(word)) {
        bail!("the commands have changed, and would touch the machine:\n{script}");
    }
    SHELL.run(Path::new("/"), &["-euo", "pipefail", "-c", &script])?.succeeded()
}

#[test]
fn a_back_up_of_a_running_server_is_restored_elsewhere_and_stamps() -> Result<()> {
    let program = attestamp_interop_tests::program::program()?;
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    let backup = folder.work().join("backup");
    std::fs::create_dir(&backup)?;
    // Others go on stamping while the files are copied.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let mut connection = authority.connect()?;
    let request = Request::of(b"meanwhile")?.encoded();
    let others = std::thread::spawn(move || -> Result<usize> {
        let mut count = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            reply::granted(&connection.post("/tsa", &request)?)?;
            count += 1;
        }
        Ok(count)
    });
    run(&commands("Back-up", 1)?, &folder.path(), &backup, program)?;
    drop(stop);
    let meanwhile = others.join().map_err(|_| anyhow::anyhow!("the others panicked"))??;
    ensure!(meanwhile > 0, "nobody stamped meanwhile");
    let stamped_before_the_back_up = std::fs::read(client.folder().join("reply.tsr"))?;
    authority.stop()?;
    run(&commands("Back-up", 2)?, &folder.path(), &backup, program)?;

    // Another machine: nothing of the first one but the back-up and the root that relying parties have.
    let other = DataFolder::empty()?;
    run(&commands("Restore", 1)?, &other.path(), &backup, program)?;
    let restored = other.serve()?;
    let root = std::fs::read(client.folder().join("root.pem"))?;
    let other_client = Client::with_root(&other, &restored, "default", &root)?;
    other_client.stamp(&restored, &["-sha256", "-cert"])?;
    other_client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    // What was issued before is as good as it was.
    std::fs::write(other_client.folder().join("reply.tsr"), stamped_before_the_back_up)?;
    other_client.verify(&["-data", "data"])?.succeeded()?.said("Verification: OK")?;
    // The record goes on from where the copy ended.
    restored.stop()?;
    other.run(&["ledger", "verify"])?.succeeded()?;
    Ok(())
}

/// E2: a ledger that was set back is refused, and what the document says to do about it helps.
#[test]
fn an_older_ledger_beside_a_newer_anchor_is_refused_and_the_newest_copy_is_not() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let (ledger, work) = (folder.path().join("ledger"), folder.work());
    let stamp_and_stop = || -> Result<()> {
        let authority = folder.serve()?;
        reply::granted(&authority.post("/tsa", &Request::of(b"recorded")?.encoded())?)?;
        // The last checkpoint, and with it the anchor, is of the end.
        authority.stop()?;
        Ok(())
    };
    stamp_and_stop()?;
    let copy = |from: &Path, to: &Path| -> Result<()> {
        let (from, to) = (from.display().to_string(), to.display().to_string());
        SHELL.run(&work, &["-c", &format!("rm -rf '{to}' && cp -a '{from}' '{to}'")])?.succeeded()?;
        Ok(())
    };
    copy(&ledger, &work.join("older"))?;
    stamp_and_stop()?;
    copy(&ledger, &work.join("newest"))?;
    copy(&work.join("older"), &ledger)?;
    folder.serve_refused()?.failed()?.said("ledger")?;
    copy(&work.join("newest"), &ledger)?;
    stamp_and_stop()
}

#[test]
fn a_folder_without_the_embedded_token_is_refused() -> Result<()> {
    let program = attestamp_interop_tests::program::program()?;
    let folder = DataFolder::with_default_tsu()?;
    let backup = folder.work().join("backup");
    std::fs::create_dir(&backup)?;
    run(&commands("Back-up", 1)?, &folder.path(), &backup, program)?;
    // Somebody forgot the second block: `check` says so before anything is started.
    let other = DataFolder::empty()?;
    let restored = run(&commands("Restore", 1)?, &other.path(), &backup, program);
    ensure!(restored.is_err(), "check should have refused it");
    other.serve_refused()?.failed()?.said("token")?;
    Ok(())
}
