//! What the HTTP layer asks of the authority behind it.
//!
//! A trait and not the authority itself, so that hostile input is tested against a double that needs no HSM. It names no
//! HTTP: statuses and headers are made in the router.

use std::{fmt, future::Future, sync::Arc};

use bytes::Bytes;

use crate::attestation::served::AttestationFiles;
use crate::authority::{AttestRefusal, AttestRequest, Authority, Fresh, PkiFile, Readiness, TsuSummary};
use crate::issue::StampOutcome;
use crate::ledger::served::{LedgerAnswer, LedgerRequest};
use crate::telemetry::Trace;

/// One timestamp request as it came in.
#[derive(Debug)]
pub struct StampRequest<'a> {
    /// Names the request in the log; problem documents carry it too.
    pub id: RequestId,
    /// The TSU named by the path, unchecked but bounded by the header limit; `None` for `/` and `/tsa`.
    pub tsu: Option<&'a str>,
    /// The body, at most [`HttpLimits::body_bytes`](super::HttpLimits::body_bytes) long and possibly empty.
    pub body: Bytes,
    /// Where its steps are traced.
    pub trace: &'a Trace,
}

/// Name of one request, unique among the runs of the program that share a log, up to 32 random bits per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    /// Random per run.
    pub(crate) run: u32,
    /// Counts up from zero in one run.
    pub(crate) sequence: u64,
}

impl RequestId {
    /// The name of the `sequence`-th request of a run.
    #[must_use]
    pub const fn new(run: u32, sequence: u64) -> Self {
        Self { run, sequence }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}-{:x}", self.run, self.sequence)
    }
}

/// The authority as HTTP sees it. What is not asynchronous answers from memory.
pub trait Backend: Send + Sync + 'static {
    /// Answers one timestamp request. Dropping the future must be safe at any point: clients leave.
    fn stamp(&self, request: StampRequest<'_>) -> impl Future<Output = StampOutcome> + Send;

    /// All TSUs, the default first.
    fn tsus(&self) -> Vec<TsuSummary>;

    /// The TSU's certificate as PEM; `None` if no TSU has that name.
    fn certificate_pem(&self, tsu: &str) -> Option<Bytes>;

    /// The TSU's certificate, intermediates and root as PEM; `None` if no TSU has that name.
    fn chain_pem(&self, tsu: &str) -> Option<Bytes>;

    /// A file under `/pki/`. The name has passed [`plain_file_name`](super::route::plain_file_name).
    fn pki_file(&self, name: &str) -> Option<PkiFile>;

    /// What is attested: chains, keys and their stored attestations.
    fn attestations(&self) -> Arc<AttestationFiles>;

    /// Makes attestations with an auditor's nonce. Dropping the future must be safe at any point.
    fn attest(&self, request: AttestRequest) -> impl Future<Output = Result<Fresh, AttestRefusal>> + Send;

    /// A file of the ledger. Dropping the future must be safe at any point.
    fn ledger(&self, request: LedgerRequest) -> impl Future<Output = LedgerAnswer> + Send;

    /// Whether a token could be issued now, and why not.
    fn readiness(&self) -> Readiness;
}

impl Backend for Arc<Authority> {
    async fn stamp(&self, request: StampRequest<'_>) -> StampOutcome {
        Authority::stamp(self, &request).await
    }

    fn tsus(&self) -> Vec<TsuSummary> {
        Authority::tsus(self)
    }

    fn certificate_pem(&self, tsu: &str) -> Option<Bytes> {
        Authority::certificate_pem(self, tsu)
    }

    fn chain_pem(&self, tsu: &str) -> Option<Bytes> {
        Authority::chain_pem(self, tsu)
    }

    fn pki_file(&self, name: &str) -> Option<PkiFile> {
        Authority::pki_file(self, name)
    }

    fn attestations(&self) -> Arc<AttestationFiles> {
        Arc::clone(self.attesting().files())
    }

    async fn attest(&self, request: AttestRequest) -> Result<Fresh, AttestRefusal> {
        let (attesting, clock) = (self.attesting(), Arc::clone(self.clock()));
        // The token is asked on a thread that may block: those that serve connections go on.
        let made = tokio::task::spawn_blocking(move || attesting.attest(&request, &clock));
        made.await.unwrap_or(Err(AttestRefusal::Failed))
    }

    async fn ledger(&self, request: LedgerRequest) -> LedgerAnswer {
        Authority::ledger_file(self, request).await
    }

    fn readiness(&self) -> Readiness {
        Authority::readiness(self)
    }
}
