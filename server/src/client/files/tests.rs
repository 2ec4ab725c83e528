//! Files on disk, stamped by a server double.

use super::*;
use crate::client::retry::RealPause;
use crate::client::stamper::StampOptions;
use crate::client::test_server::{GrantedReply, TestServer, granted, rejection, reply};
use crate::client::tls;
use crate::client::transport::{Deadlines, Transport};
use attestamp_tsa::PkiFailureInfo;
use std::time::Duration;

fn stamper(server: &TestServer) -> Stamper<RealPause> {
    let hour = Duration::from_secs(3600);
    Stamper {
        transport: Transport::new(
            tls::client_config(None).unwrap(),
            Deadlines { connect: hour, total: hour },
        ),
        addresses: vec![server.address.clone()],
        options: StampOptions {
            hash: HashAlgorithm::Sha512,
            policy: None,
            nonce: true,
            certificates: true,
            retries: 0,
        },
        check: None,
        pause: RealPause,
    }
}

async fn outcomes(server: &TestServer, jobs: Vec<FileJob>, overwrite: bool) -> Vec<FileOutcome> {
    let mut outcomes = Vec::new();
    stamp_all(stamper(server), jobs, 3, overwrite, |outcome| outcomes.push(outcome)).await;
    outcomes.sort_by_key(|outcome| outcome.position);
    outcomes
}

fn jobs(folder: &Path, names: &[&str]) -> Vec<FileJob> {
    let job = |name: &&str| FileJob {
        input: Input::File(folder.join(name)),
        output: folder.join(format!("{name}.tsr")),
    };
    names.iter().map(job).collect()
}

#[tokio::test]
async fn every_file_gets_the_reply_for_its_own_content() {
    let server = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d", "e"];
    for (size, name) in [0, 1, PIECE_OCTETS - 1, PIECE_OCTETS, 3 * PIECE_OCTETS + 7].into_iter().zip(names) {
        std::fs::write(folder.path().join(name), vec![0x5a; size]).unwrap();
    }
    let outcomes = outcomes(&server, jobs(folder.path(), &names), false).await;
    assert_eq!(outcomes.len(), names.len());
    for (outcome, name) in outcomes.iter().zip(names) {
        let file = outcome.result.as_ref().unwrap();
        let content = std::fs::read(folder.path().join(name)).unwrap();
        let written = std::fs::read(folder.path().join(format!("{name}.tsr"))).unwrap();
        assert_eq!(file.imprint, HashAlgorithm::Sha512.digest(&content));
        assert_eq!(written, file.stamped.reply);
        let imprint = file.imprint.as_ref();
        assert!(written.windows(imprint.len()).any(|window| window == imprint));
    }
}

#[tokio::test]
async fn one_failure_does_not_stop_the_others() {
    let server = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "x").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let outcomes = outcomes(&server, jobs(folder.path(), &["missing", "folder", "there"]), false).await;
    assert!(matches!(outcomes[0].result, Err(FileError::Read { .. })));
    assert!(matches!(outcomes[1].result, Err(FileError::Read { .. })));
    assert!(outcomes[2].result.is_ok());
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn an_existing_reply_is_refused_before_anybody_is_asked() {
    let server = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    std::fs::write(folder.path().join("a.tsr"), "kept").unwrap();
    let refused = outcomes(&server, jobs(folder.path(), &["a"]), false).await;
    assert!(matches!(refused[0].result, Err(FileError::Output(OutputError::Exists { .. }))));
    assert_eq!(server.hits(), 0);
    assert_eq!(std::fs::read(folder.path().join("a.tsr")).unwrap(), b"kept");
    let forced = outcomes(&server, jobs(folder.path(), &["a"]), true).await;
    assert!(forced[0].result.is_ok());
    assert_ne!(std::fs::read(folder.path().join("a.tsr")).unwrap(), b"kept");
}

#[tokio::test]
async fn a_refusal_leaves_no_file() {
    let server =
        TestServer::start(|_, _| reply(rejection(PkiFailureInfo::UnacceptedPolicy, "no such policy"))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    let outcomes = outcomes(&server, jobs(folder.path(), &["a"]), false).await;
    assert!(matches!(outcomes[0].result, Err(FileError::NotStamped(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
