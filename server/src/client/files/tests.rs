//! Files on disk, stamped by a server double.

use super::*;
use crate::client::retry::RealPause;
use crate::client::stamper::StampOptions;
use crate::client::test_server::{GrantedReply, TestServer, granted, rejection, reply};
use crate::client::tls;
use crate::client::transport::{Deadlines, Transport};
use attestamp_tsa::PkiFailureInfo;
use std::sync::Mutex;
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
    outcomes_of(Stampers { first: stamper(server), dual: None }, jobs, overwrite).await
}

async fn outcomes_of(stampers: Stampers<RealPause>, jobs: Vec<FileJob>, overwrite: bool) -> Vec<FileOutcome> {
    let mut outcomes = Vec::new();
    stamp_all(stampers, jobs, 3, overwrite, |outcome| outcomes.push(outcome)).await;
    outcomes.sort_by_key(|outcome| outcome.position);
    outcomes
}

fn jobs(folder: &Path, names: &[&str]) -> Vec<FileJob> {
    let job = |name: &&str| FileJob {
        input: Input::File(folder.join(name)),
        output: folder.join(format!("{name}.tsr")),
        dual_output: None,
    };
    names.iter().map(job).collect()
}

/// A folder with the file `a`, and the job of stamping it twice.
fn dual_job() -> (tempfile::TempDir, Vec<FileJob>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    let mut jobs = jobs(folder.path(), &["a"]);
    jobs[0].dual_output = Some(folder.path().join("a.dual.tsr"));
    (folder, jobs)
}

fn dual(first: &TestServer, second: &TestServer) -> Stampers<RealPause> {
    Stampers { first: stamper(first), dual: Some(stamper(second)) }
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
        assert_eq!(written, file.first.as_ref().unwrap().reply);
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
    assert!(outcomes[2].result.as_ref().unwrap().is_stamped());
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
    assert!(forced[0].result.as_ref().unwrap().is_stamped());
    assert_ne!(std::fs::read(folder.path().join("a.tsr")).unwrap(), b"kept");
}

#[tokio::test]
async fn a_refusal_leaves_no_file() {
    let server =
        TestServer::start(|_, _| reply(rejection(PkiFailureInfo::UnacceptedPolicy, "no such policy"))).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "x").unwrap();
    let outcomes = outcomes(&server, jobs(folder.path(), &["a"]), false).await;
    let file = outcomes[0].result.as_ref().unwrap();
    assert!(matches!(file.first, Err(FileError::NotStamped(_))) && !file.is_stamped());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A server that keeps the requests that it had.
async fn keeping(requests: &Arc<Mutex<Vec<Vec<u8>>>>, serial: &'static [u8]) -> TestServer {
    let requests = Arc::clone(requests);
    TestServer::start(move |_, request| {
        requests.lock().unwrap().push(request.to_vec());
        reply(granted(&GrantedReply { serial, ..GrantedReply::to(request) }))
    })
    .await
}

#[tokio::test]
async fn two_authorities_are_asked_for_one_hash_value_with_a_nonce_each() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (first, second) = (keeping(&requests, &[1]).await, keeping(&requests, &[2]).await);
    let (folder, jobs) = dual_job();
    let outcomes = outcomes_of(dual(&first, &second), jobs, false).await;
    let file = outcomes[0].result.as_ref().unwrap();
    assert!(file.is_stamped());
    let (one, other) = (file.first.as_ref().unwrap(), file.dual.as_ref().unwrap().as_ref().unwrap());
    assert_eq!((one.serial.as_str(), other.serial.as_str()), ("01", "02"));
    assert_eq!(std::fs::read(folder.path().join("a.tsr")).unwrap(), one.reply);
    assert_eq!(std::fs::read(folder.path().join("a.dual.tsr")).unwrap(), other.reply);

    let requests = requests.lock().unwrap();
    let [one, other] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let (one, other) = (GrantedReply::to(one), GrantedReply::to(other));
    assert_eq!((one.imprint, other.imprint), (file.imprint.as_ref(), file.imprint.as_ref()));
    assert_ne!(one.nonce, other.nonce);
}

#[tokio::test]
async fn the_reply_of_one_authority_is_kept_when_the_other_gives_none() {
    let good = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    let bad = TestServer::start(|_, _| reply(rejection(PkiFailureInfo::BadAlg, "no"))).await;
    for (first, second, kept) in [(&good, &bad, "a.tsr"), (&bad, &good, "a.dual.tsr")] {
        let (folder, jobs) = dual_job();
        let outcomes = outcomes_of(dual(first, second), jobs, false).await;
        let file = outcomes[0].result.as_ref().unwrap();
        assert!(!file.is_stamped());
        assert_eq!(file.first.is_ok(), kept == "a.tsr");
        assert_eq!(file.dual.as_ref().unwrap().is_ok(), kept == "a.dual.tsr");
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["a", kept]);
    }
}

#[tokio::test]
async fn either_reply_that_exists_is_refused_before_anybody_is_asked() {
    let server = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    for existing in ["a.tsr", "a.dual.tsr"] {
        let (folder, jobs) = dual_job();
        std::fs::write(folder.path().join(existing), "kept").unwrap();
        let hits = server.hits();
        let refused = outcomes_of(dual(&server, &server), jobs.clone(), false).await;
        let Err(FileError::Output(OutputError::Exists { path })) = &refused[0].result else {
            panic!("{:?}", refused[0].result)
        };
        assert!(path.ends_with(existing));
        assert_eq!(server.hits(), hits);
        let forced = outcomes_of(dual(&server, &server), jobs, true).await;
        assert!(forced[0].result.as_ref().unwrap().is_stamped());
        assert_ne!(std::fs::read(folder.path().join(existing)).unwrap(), b"kept");
    }
}
