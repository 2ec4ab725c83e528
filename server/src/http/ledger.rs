//! What is served under `/ledger/`: the tlog-tiles layout of C2SP, so that other people's tools read it, and proofs by serial
//! number.
//!
//! A tile never changes, so it may be kept for ever; a checkpoint is out of date within seconds.

use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, HeaderValue},
};

use super::{
    backend::Backend,
    problem::Problem,
    reply::{Reply, reply},
    route::Target,
};
use crate::ledger::served::{LedgerAnswer, LedgerRequest, serial_octets};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_SECONDS: HeaderValue = HeaderValue::from_static("max-age=2");
const BRIEFLY: HeaderValue = HeaderValue::from_static("max-age=300");

/// Answers a request below `/ledger/`.
pub(crate) async fn show<B: Backend>(backend: &B, target: Target<'_>) -> Result<Response<Reply>, Problem> {
    let (request, content_type, kept) = match target {
        Target::LedgerCheckpoint => (LedgerRequest::Checkpoint, TEXT, FOR_SECONDS),
        Target::LedgerKeys => (LedgerRequest::Keys, TEXT, BRIEFLY),
        Target::LedgerTile(path) => (LedgerRequest::Tile(path), OCTETS, FOR_EVER),
        Target::LedgerProof(serial) => {
            let serial = serial_octets(serial).ok_or(Problem::WrongSerial)?;
            (LedgerRequest::Proof(serial), TEXT, BRIEFLY)
        }
        // The router sends nothing else here.
        Target::Root
        | Target::Tsa
        | Target::Tsu(_)
        | Target::Certificate(_)
        | Target::Chain(_)
        | Target::PkiFile(_)
        | Target::AttestedKeys
        | Target::Attestation(_)
        | Target::AttestationChain(_)
        | Target::AttestationBundle
        | Target::Health
        | Target::Ready
        | Target::Metrics
        | Target::Style
        | Target::Unknown => return Err(Problem::NotFound),
    };
    match backend.ledger(request).await {
        LedgerAnswer::Found(content) => {
            let mut response = reply(StatusCode::OK, content_type, content);
            response.headers_mut().insert(CACHE_CONTROL, kept);
            Ok(response)
        }
        LedgerAnswer::Unknown => Err(Problem::NotInLedger),
        LedgerAnswer::Awaiting { retry_after_seconds } => {
            Err(Problem::CheckpointAwaited { retry_after_seconds })
        }
        LedgerAnswer::NoLedger => Err(Problem::NoLedger),
        LedgerAnswer::Failed => Err(Problem::LedgerUnreadable),
    }
}
