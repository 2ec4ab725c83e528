//! A running authority, requests to it, and what its answers say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attestamp::authority::{Authority, ReadinessNote};
use attestamp::clock::fake::DangerousFakeTime;
use attestamp::clock::{ClockGate, HighWaterMark, system_time};
use attestamp::http::{RequestId, StampRequest};
use attestamp::issue::{Outcome, StampOutcome};
use attestamp::metrics::Metrics;
use attestamp::telemetry::Trace;
use attestamp_certs::{HashAlgorithm, TrustAnchors};
use attestamp_tsa::verify::{Expectations, ExpectedImprint, ExpectedNonce, VerifiedToken, verify_token};
use attestamp_tsa::{Failure, PkiFailureInfo, Query, TimeStampResp};
use bytes::Bytes;

use crate::place::Place;

/// No wait in a test is longer: it fails then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What is stamped.
pub(crate) const DATA: &[u8] = b"the data that is stamped";

/// A running authority and what it stands on.
pub(crate) struct Fixture {
    pub(crate) place: Place,
    pub(crate) time: Arc<DangerousFakeTime>,
    pub(crate) clock: Arc<ClockGate>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) authority: Arc<Authority>,
    sequence: AtomicU64,
}

impl Fixture {
    /// With the TSU `default`.
    pub(crate) fn new() -> Self {
        Self::on(Place::new(&["default"]))
    }

    pub(crate) fn on(place: Place) -> Self {
        Self::on_clock(place, Arc::new(DangerousFakeTime::synchronised_at(system_time().as_secs())))
    }

    pub(crate) fn on_clock(place: Place, time: Arc<DangerousFakeTime>) -> Self {
        let source = Arc::<DangerousFakeTime>::clone(&time);
        let mark = Arc::new(HighWaterMark::in_memory());
        let clock = Arc::new(ClockGate::start(place.config().clock, source, mark).unwrap());
        let metrics = Arc::new(Metrics::default());
        let authority = Arc::new(place.start_with(Arc::clone(&clock), Arc::clone(&metrics)).unwrap());
        Self { place, time, clock, metrics, authority, sequence: AtomicU64::new(0) }
    }

    /// Lets time pass, with the clock sampled at its end.
    pub(crate) fn pass(&self, time: Duration) {
        self.time.advance(time);
        self.clock.refresh();
        self.clock.renew_mark();
    }

    /// A new certificate for the key of the TSU `default`, valid from now by the clock of the test.
    pub(crate) fn renew_certificate(&self) {
        self.place.renew_certificate("default", self.clock.unverified_time());
    }

    /// Reads the configuration again, as `serve` does at a hangup.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let config = attestamp::config::Config::load(&self.place.layout())?;
        self.authority.reload(config)?;
        Ok(())
    }

    pub(crate) async fn stamp(&self, tsu: Option<&str>, body: impl Into<Bytes>) -> StampOutcome {
        let id = RequestId::new(0, self.sequence.fetch_add(1, Ordering::Relaxed));
        self.authority.stamp(&StampRequest { id, tsu, body: body.into(), trace: Trace::none() }).await
    }

    /// A token that the TSU must give for [`DATA`], and that must verify.
    pub(crate) async fn granted(&self, tsu: Option<&str>) -> VerifiedToken {
        self.verified(&granted(self.stamp(tsu, query().to_der()).await))
    }

    /// What a plain request is refused for.
    pub(crate) async fn refused(&self) -> PkiFailureInfo {
        rejection(self.stamp(None, query().to_der()).await).0
    }

    /// The token of this reply, verified strictly against the roots that are served.
    pub(crate) fn verified(&self, reply: &[u8]) -> VerifiedToken {
        verify(reply, DATA, &self.authority.pki_file("root.pem").unwrap().body)
    }

    /// The codes of what keeps tokens from being issued.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        codes(&self.authority.readiness().reasons)
    }

    /// The codes of what will.
    pub(crate) fn warnings(&self) -> Vec<&'static str> {
        codes(&self.authority.readiness().warnings)
    }
}

/// A request for [`DATA`] with certificates.
pub(crate) fn query() -> Query {
    let hash = HashAlgorithm::Sha256;
    Query::new(hash, hash.digest(DATA).as_ref()).unwrap()
}

/// The token of this reply, verified strictly against these roots in PEM.
pub(crate) fn verify(reply: &[u8], data: &[u8], roots: &[u8]) -> VerifiedToken {
    let expectations = Expectations {
        imprint: ExpectedImprint::Data(data),
        nonce: ExpectedNonce::Absent,
        policy: None,
        anchors: &TrustAnchors::from_pem(std::str::from_utf8(roots).unwrap()).unwrap(),
        certificates: &[],
        crls: &[],
        at: None,
    };
    verify_token(reply, &expectations).unwrap()
}

/// The reply, which must grant a token.
pub(crate) fn granted(outcome: StampOutcome) -> Bytes {
    match outcome {
        StampOutcome::Reply { der, outcome: Outcome::Granted } => der,
        other => panic!("{other:?}"),
    }
}

/// Why a request got no token, by RFC 3161's word and in the outcome that metrics count. The text for people is the
/// one that belongs to the word, so that nothing else can be in it.
pub(crate) fn rejection(outcome: StampOutcome) -> (PkiFailureInfo, Outcome) {
    let StampOutcome::Reply { der, outcome } = outcome else { panic!("{outcome:?}") };
    let reply = TimeStampResp::decode(&der).unwrap();
    assert_eq!(reply.token, None);
    let info = reply.failure_info.unwrap();
    let fault = match info {
        PkiFailureInfo::SystemFailure => Some(attestamp_tsa::Fault::SystemFailure),
        PkiFailureInfo::TimeNotAvailable => Some(attestamp_tsa::Fault::TimeNotAvailable),
        _ => None,
    };
    if let Some(fault) = fault {
        assert_eq!(reply.status_strings, [Failure::Fault(fault).to_string()]);
    }
    (info, outcome)
}

/// Waits for something that must come, without a pause of its own.
pub(crate) async fn until(what: impl Fn() -> bool) {
    let turns = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, turns).await.expect("it did not happen in time");
}

pub(crate) fn codes(notes: &[ReadinessNote]) -> Vec<&'static str> {
    notes.iter().map(|note| note.code).collect()
}
