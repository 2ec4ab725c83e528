//! A server on a port that the kernel chose, a double behind it, and raw clients.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use attestamp::{
    attestation::served::{AttestationFiles, KeyFiles},
    authority::{
        AttestRefusal, AttestRequest, Fresh, LedgerState, PkiFile, Readiness, ReadinessNote, TsuSummary,
    },
    http::{Backend, Bound, HttpLimits, ListenerConfig, PublicUrl, ServeConfig, StampRequest, Tls},
    issue::{Outcome, StampOutcome},
    ledger::served::{LedgerAnswer, LedgerRequest},
    metrics::Metrics,
};
use attestamp_ledger::TilePath;
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// A timestamp request that the double grants.
pub(crate) const GOOD: &[u8] = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Type: application/timestamp-query\r\nContent-Length: 4\r\n\r\ngood";

/// What the double grants.
pub(crate) const GRANTED: &[u8] = b"granted";

/// No wait in a test is longer: it fails then.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that the server must do.
pub(crate) async fn within<F: Future>(what: F) -> F::Output {
    timeout(PATIENCE, what).await.expect("the server did not do it in time")
}

/// The double: answers by what the body says.
#[derive(Debug)]
pub(crate) struct Double {
    /// Permits let requests with the body `hold` go on, one each.
    pub(crate) release: Semaphore,
    /// A permit for each `hold` that has come in.
    pub(crate) held: Semaphore,
    /// Requests that were dropped while held.
    pub(crate) abandoned: AtomicUsize,
    /// Bodies and TSU names of all requests.
    pub(crate) seen: Mutex<Vec<(Option<String>, Bytes)>>,
    pub(crate) ready: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Shared(pub(crate) Arc<Double>);

struct Held<'a>(&'a Double, bool);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.abandoned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Backend for Shared {
    async fn stamp(&self, request: StampRequest<'_>) -> StampOutcome {
        let double = &*self.0;
        if request.tsu.is_some_and(|tsu| tsu != "rsa") {
            return StampOutcome::UnknownTsu;
        }
        double.seen.lock().unwrap().push((request.tsu.map(str::to_owned), request.body.clone()));
        match &*request.body {
            b"hold" => {
                double.held.add_permits(1);
                let mut held = Held(double, false);
                double.release.acquire().await.unwrap().forget();
                held.1 = true;
            }
            b"busy" => return StampOutcome::Busy { retry_after_seconds: 7 },
            b"large" => {
                return StampOutcome::Reply {
                    der: Bytes::from(vec![0x30; 32_000]),
                    outcome: Outcome::Granted,
                };
            }
            _ => {}
        }
        StampOutcome::Reply { der: Bytes::from_static(GRANTED), outcome: Outcome::Granted }
    }

    fn tsus(&self) -> Vec<TsuSummary> {
        vec![TsuSummary {
            name: "rsa".to_owned(),
            default: true,
            algorithm: "rsa-3072".to_owned(),
            post_quantum: false,
            nested_tsu: None,
            policies: vec!["1.2.3.4".to_owned()],
            accepted_hashes: vec!["sha256".to_owned()],
            accuracy_seconds: 1.0,
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2031-01-01T00:00:00Z".to_owned(),
            key_not_after: "2027-01-01T00:00:00Z".to_owned(),
            certificate_serial: "0a".to_owned(),
            ready: true,
            signers: Vec::new(),
        }]
    }

    fn certificate_pem(&self, tsu: &str) -> Option<Bytes> {
        (tsu == "rsa").then(|| Bytes::from_static(b"certificate"))
    }

    fn chain_pem(&self, tsu: &str) -> Option<Bytes> {
        (tsu == "rsa").then(|| Bytes::from_static(b"chain"))
    }

    fn pki_file(&self, name: &str) -> Option<PkiFile> {
        (name == "root.pem")
            .then(|| PkiFile { content_type: "application/x-pem-file", body: Bytes::from_static(b"root") })
    }

    fn attestations(&self) -> Arc<AttestationFiles> {
        let mut files = AttestationFiles::default();
        files.keys.insert("rsa".to_owned(), KeyFiles::default());
        Arc::new(files)
    }

    /// Refuses in the way that the nonce's first octet stands for.
    async fn attest(&self, request: AttestRequest) -> Result<Fresh, AttestRefusal> {
        Err(match request.nonce.as_bytes()[0] {
            1 => AttestRefusal::NotAttested,
            2 => AttestRefusal::Disabled,
            3 => AttestRefusal::Limited { retry_after_seconds: 9 },
            4 => AttestRefusal::Failed,
            _ => AttestRefusal::NoChain,
        })
    }

    /// Answers in the way that the serial number's last octet, or the tile's index, stands for.
    async fn ledger(&self, request: LedgerRequest) -> LedgerAnswer {
        let number = match &request {
            LedgerRequest::Checkpoint | LedgerRequest::Keys => 0,
            LedgerRequest::Tile(TilePath::Hashes { index, .. } | TilePath::Entries { index, .. }) => *index,
            LedgerRequest::Proof(serial) => u64::from(*serial.last().unwrap()),
        };
        match number {
            0 | 9 => LedgerAnswer::Found(Bytes::from(format!("{request:?}"))),
            1 => LedgerAnswer::Unknown,
            2 => LedgerAnswer::Awaiting { retry_after_seconds: 11 },
            3 => LedgerAnswer::Failed,
            _ => LedgerAnswer::NoLedger,
        }
    }

    fn readiness(&self) -> Readiness {
        let ready = self.0.ready;
        let note = ReadinessNote { tsu: None, code: "clock", detail: "the clock stands still".to_owned() };
        let reasons = if ready { Vec::new() } else { vec![note] };
        Readiness {
            ready,
            time_assured: false,
            reasons,
            warnings: Vec::new(),
            notes: Vec::new(),
            ledger: LedgerState::Kept,
        }
    }
}

/// A running server.
pub(crate) struct Harness {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) double: Arc<Double>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

/// What a test starts with.
pub(crate) struct Setup {
    pub(crate) limits: HttpLimits,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) ready: bool,
}

impl Default for Setup {
    fn default() -> Self {
        // Loopback is one address: the limits per address are for the tests that mean them.
        let limits = HttpLimits { connections_per_address: None, ..HttpLimits::default() };
        Self { limits, tls: None, public_url: None, ready: true }
    }
}

impl Setup {
    pub(crate) fn limits(change: impl FnOnce(&mut HttpLimits)) -> Self {
        let mut setup = Self::default();
        change(&mut setup.limits);
        setup
    }

    pub(crate) fn start(self) -> Harness {
        let listeners = vec![ListenerConfig { address: "127.0.0.1:0".parse().unwrap(), tls: self.tls }];
        let config = ServeConfig { listeners, limits: self.limits, public_url: self.public_url };
        let bound = Bound::bind(config).unwrap();
        let address = bound.local_addresses().next().unwrap();
        let metrics = Arc::new(Metrics::default());
        let double = Arc::new(Double {
            release: Semaphore::new(0),
            held: Semaphore::new(0),
            abandoned: AtomicUsize::new(0),
            seen: Mutex::default(),
            ready: self.ready,
        });
        let (stop, stopped) = oneshot::channel();
        let served = bound.serve(Shared(Arc::clone(&double)), Arc::clone(&metrics), async move {
            let _ = stopped.await;
        });
        let served = tokio::spawn(served);
        Harness { address, metrics, double, stop: Some(stop), served }
    }
}

impl Harness {
    pub(crate) fn start() -> Self {
        Setup::default().start()
    }

    pub(crate) async fn client(&self) -> Client<TcpStream> {
        Client::new(within(TcpStream::connect(self.address)).await.unwrap())
    }

    /// One more timestamp on a new connection must be granted.
    pub(crate) async fn assert_serves(&self) {
        let mut client = self.client().await;
        let answer = client.ask(GOOD).await;
        assert_eq!((answer.status, &*answer.body), (200, GRANTED));
    }

    /// One exchange on a new connection.
    pub(crate) async fn ask(&self, request: &[u8]) -> Answer {
        self.client().await.ask(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).await
    }

    /// Waits until the server has no more connections than these.
    pub(crate) async fn until_connections(&self, count: i64) {
        within(async {
            while self.connections() > count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn connections(&self) -> i64 {
        self.metric("attestamp_connections ").parse().unwrap()
    }

    /// The value of the series that begins so.
    pub(crate) fn metric(&self, series: &str) -> String {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()).expect("no such series").to_owned()
    }

    pub(crate) fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(self) {
        within(self.served).await.unwrap();
    }
}

/// A raw client.
pub(crate) struct Client<T> {
    pub(crate) socket: T,
    buffer: Vec<u8>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
}

impl<T: AsyncReadExt + AsyncWriteExt + Unpin> Client<T> {
    pub(crate) fn new(socket: T) -> Self {
        Self { socket, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.socket.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request).await;
        self.answer(!request.starts_with(b"HEAD")).await
    }

    /// Sends and reads as far as the server lets it; `None` if it closes without an answer.
    pub(crate) async fn try_ask(&mut self, request: &[u8]) -> Option<Answer> {
        let _ = within(self.socket.write_all(request)).await;
        self.try_answer(true).await
    }

    /// Reads one answer; the body by its `Content-Length`.
    pub(crate) async fn answer(&mut self, has_body: bool) -> Answer {
        self.try_answer(has_body).await.expect("closed before an answer")
    }

    /// As [`Self::answer`]; `None` if the server closes without one.
    pub(crate) async fn try_answer(&mut self, has_body: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let header = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let status = header.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, header, body: Vec::new() };
        let length =
            answer.field("content-length").filter(|_| has_body).map_or(0, |text| text.parse().unwrap());
        while self.buffer.len() < length {
            assert!(self.fill().await, "closed within an answer");
        }
        answer.body = self.buffer.drain(..length).collect();
        Some(answer)
    }

    /// Waits for the server to close; returns what came before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while self.fill().await {}
        std::mem::take(&mut self.buffer)
    }

    /// False at the end, which a reset also is.
    async fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let read = within(self.socket.read(&mut bytes)).await.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..read]);
        read > 0
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.header.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A problem document with this status and code (RFC 9457).
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.header);
        assert_eq!(self.field("content-type"), Some("application/problem+json"));
        let document = self.json();
        assert_eq!(document["status"], status);
        assert_eq!(document["code"], code);
        assert_eq!(document["requestId"].as_str(), self.field("x-request-id"));
        for member in ["type", "title", "detail"] {
            assert!(document[member].is_string(), "{member}");
        }
    }
}

/// A timestamp request with this body and these further header lines.
pub(crate) fn post(path: &str, lines: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n{lines}\r\n{body}").into_bytes()
}

/// The one media type that is taken.
pub(crate) const QUERY: &str = "Content-Type: application/timestamp-query\r\n";
