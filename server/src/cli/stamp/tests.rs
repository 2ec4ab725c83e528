//! Arguments that do not fit together, and where replies go.

use super::*;
use clap::{CommandFactory as _, Parser};

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    stamp: StampArgs,
}

fn parse(arguments: &[&str]) -> Result<StampArgs, clap::Error> {
    let always = ["stamp", "--url", "http://tsa.example/"];
    Ok(Program::try_parse_from(always.iter().chain(arguments))?.stamp)
}

fn outputs(arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    Ok(jobs(&parse(arguments)?)?.into_iter().map(|job| job.output.display().to_string()).collect())
}

#[test]
fn the_arguments_are_consistent() {
    Program::command().debug_assert();
    assert!(parse(&[]).is_err(), "no file");
    assert!(parse(&["a", "--hash", "sha1"]).unwrap_err().to_string().contains("sha3-512"));
    assert!(parse(&["a", "--policy", "1.2.x"]).is_err());
    assert!(parse(&["a", "--url", "tsa.example"]).is_err());
    assert!(parse(&["a", "--no-certs", "--ca", "root.pem"]).is_err());
    let args =
        parse(&["a", "--hash", "SHA3-256", "--policy", "1.2.3", "--url", "https://other.example/"]).unwrap();
    assert_eq!((args.hash, args.urls.len()), (HashAlgorithm::Sha3_256, 2));
    assert_eq!(args.policy.unwrap().to_string(), "1.2.3");
}

#[test]
fn replies_go_beside_their_files_or_where_told() {
    assert_eq!(outputs(&["a.pdf", "folder/b"]).unwrap(), ["a.pdf.tsr", "folder/b.tsr"]);
    assert_eq!(outputs(&["a.pdf", "--output", "here"]).unwrap(), ["here"]);
    assert_eq!(outputs(&["-", "--output", "here"]).unwrap(), ["here"]);
    assert!(outputs(&["a", "b", "--output", "here"]).is_err());
    assert!(outputs(&["-"]).unwrap_err().to_string().contains("--output"));
}

#[test]
fn a_file_of_roots_that_cannot_be_used_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for option in ["--ca", "--tls-ca"] {
        for path in [&empty, &folder.path().join("missing.pem")] {
            let args = parse(&["a", option, path.to_str().unwrap()]).unwrap();
            let error = stamper(&args).unwrap_err();
            assert!(format!("{error:#}").contains(path.to_str().unwrap()), "{error:#}");
        }
    }
}
