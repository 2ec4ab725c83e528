//! Arguments that do not fit together, and where replies go.

use super::missing::Authority;
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
            let error = stampers(&args).unwrap_err();
            assert!(format!("{error:#}").contains(path.to_str().unwrap()), "{error:#}");
        }
    }
}

fn dual_outputs(arguments: &[&str]) -> anyhow::Result<Vec<String>> {
    let dual = ["--dual", "http://tsa.example/tsa/pq"];
    let jobs = jobs(&parse(&[&dual, arguments].concat())?)?;
    Ok(jobs.into_iter().map(|job| job.dual_output.unwrap().display().to_string()).collect())
}

#[test]
fn the_second_reply_goes_beside_the_first() {
    assert_eq!(dual_outputs(&["a.pdf", "folder/b"]).unwrap(), ["a.pdf.dual.tsr", "folder/b.dual.tsr"]);
    assert_eq!(dual_outputs(&["-", "--output", "x/here.tsr"]).unwrap(), ["x/here.dual.tsr"]);
    assert_eq!(dual_outputs(&["a", "--output", "here"]).unwrap(), ["here.dual"]);
    assert_eq!(jobs(&parse(&["a"]).unwrap()).unwrap()[0].dual_output, None);
}

#[test]
fn two_replies_never_go_to_one_file() {
    let error = dual_outputs(&["a", "b", "a.dual"]).unwrap_err().to_string();
    assert!(error.contains("a.dual.tsr") && error.contains("for a and one for a.dual"), "{error}");
}

#[test]
fn a_second_authority_is_another_one() {
    for same in ["http://tsa.example", "http://TSA.example:80/", "http://backup.example/"] {
        let args =
            parse(&["a", "--url", "http://backup.example/", "--dual", "http://pq.example/", "--dual", same]);
        let error = stampers(&args.unwrap()).unwrap_err().to_string();
        assert!(error.contains("is a --url too"), "{error}");
    }
    assert!(parse(&["a", "--dual-policy", "1.2.3"]).is_err(), "without --dual");
}

/// The second authority has policies of its own, so `--policy` would have it refuse.
#[test]
fn each_authority_is_asked_for_its_own_policy() {
    let args = ["a", "--dual", "http://pq.example/", "--policy", "1.2.3", "--hash", "sha512"];
    let one = stampers(&parse(&args).unwrap()).unwrap();
    let dual = one.dual.unwrap();
    assert_eq!((one.first.options.policy.is_some(), dual.options.policy), (true, None));
    assert_eq!(dual.options.hash, HashAlgorithm::Sha512);
    let both = [args.as_slice(), &["--dual-policy", "1.2.4"]].concat();
    let dual = stampers(&parse(&both).unwrap()).unwrap().dual.unwrap();
    assert_eq!(dual.options.policy.unwrap().to_string(), "1.2.4");
}

#[test]
fn the_command_for_a_missing_reply_asks_its_authority_alone_for_the_same() {
    let args = parse(&[
        "my file",
        "--dual",
        "http://pq.example/",
        "--dual-policy",
        "1.2.4",
        "--policy",
        "1.2.3",
        "--hash",
        "sha512",
        "--ca",
        "root.pem",
        "--ca",
        "pq-root.pem",
        "--no-nonce",
    ])
    .unwrap();
    let job = jobs(&args).unwrap().remove(0);
    let dual = missing::command(&args, Authority::dual(&args), &job.input, &job.dual_output.unwrap());
    assert_eq!(
        dual,
        "attestamp stamp --url http://pq.example/ --hash sha512 --policy 1.2.4 --ca root.pem --ca pq-root.pem \
         --output 'my file.dual.tsr' --no-nonce 'my file'"
    );
    let first = missing::command(&args, Authority::first(&args), &job.input, &job.output);
    assert!(
        first.starts_with("attestamp stamp --url http://tsa.example/ --hash sha512 --policy 1.2.3 "),
        "{first}"
    );
    // It is a command that this program takes.
    let plain = missing::command(&args, Authority::dual(&args), &Input::File("-x".into()), Path::new("o"));
    let words: Vec<_> = plain.split(' ').skip(1).collect();
    let again = Program::try_parse_from(words).unwrap().stamp;
    assert_eq!((again.files, again.output), (vec![PathBuf::from("-x")], Some(PathBuf::from("o"))));
}
