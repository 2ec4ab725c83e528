//! A time server on the loopback that behaves as a test tells it to. Production must not use it, and its name says so;
//! public for the same reason as the fake clock.
//!
//! It answers from a clock of the test's, so that what it says is exact to the nanosecond, and a delay on the way is time
//! that passes on that clock and not in the test.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::SignedDuration;

use super::fake::DangerousFakeTime;
use super::ntp::{PACKET_LENGTH, ServerName};
use super::source::TimeSource;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// Sent by the server to itself: the end.
const END: &[u8] = b"end";

/// A server that says whatever it was told to say; ended when dropped.
#[derive(Debug)]
pub struct DangerousTimeServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

/// How it answers.
#[derive(Debug, Clone)]
pub struct Manner {
    /// What it adds to the true time.
    pub offset: SignedDuration,
    /// What its clock gains on the true one, from the moment that it is told so.
    pub drift_parts_per_million: u32,
    /// LI: 0 to 3.
    pub leap: u8,
    /// 4 for one that keeps to the protocol.
    pub version: u8,
    /// 4 for a server.
    pub mode: u8,
    /// 0 to 255.
    pub stratum: u8,
    /// Four letters or an address.
    pub reference_id: [u8; 4],
    /// What it says of its way to its source.
    pub root_delay: Duration,
    /// What it says of its error.
    pub root_dispersion: Duration,
    /// What is wrong with the datagram.
    pub form: Form,
    /// How long the answer is on its way back; the question takes no time.
    pub way_back: Duration,
}

/// What is wrong with the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    Good,
    /// There is none.
    Silent,
    /// It answers another question.
    WrongOrigin,
    /// A forged one comes first.
    ForgedFirst,
    /// It is the answer to the first question of all.
    Repeated,
    /// It comes twice.
    Twice,
    /// It has so many octets.
    Length(usize),
    /// Its transmit timestamp is zero.
    NoTransmitTimestamp,
    /// Its receive timestamp is zero.
    NoReceiveTimestamp,
    /// Its reference timestamp is after its transmit timestamp.
    ReferenceAhead,
}

#[derive(Debug)]
struct Shared {
    manner: Manner,
    drifts_since: Duration,
    questions: Vec<Vec<u8>>,
    first_answer: Option<Vec<u8>>,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            offset: SignedDuration::ZERO,
            drift_parts_per_million: 0,
            leap: 0,
            version: 4,
            mode: 4,
            stratum: 2,
            reference_id: [192, 0, 2, 1],
            root_delay: Duration::from_millis(2),
            root_dispersion: Duration::from_millis(1),
            form: Form::Good,
            way_back: Duration::ZERO,
        }
    }
}

impl Manner {
    /// A server whose clock is off by this much.
    #[must_use]
    pub fn off_by(offset: SignedDuration) -> Self {
        Self { offset, ..Self::default() }
    }

    /// A kiss-o'-death.
    #[must_use]
    pub fn kiss(code: [u8; 4]) -> Self {
        Self { stratum: 0, leap: 3, reference_id: code, ..Self::default() }
    }

    /// A good answer in a bad form.
    #[must_use]
    pub fn form(form: Form) -> Self {
        Self { form, ..Self::default() }
    }
}

impl DangerousTimeServer {
    /// An honest server on a clock that the test moves.
    ///
    /// # Errors
    /// The system's.
    pub fn on(time: &Arc<DangerousFakeTime>) -> io::Result<Self> {
        let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(time);
        Self::start(source, Some(Arc::clone(time)))
    }

    /// An honest server on any clock; there is no way back that takes time.
    ///
    /// # Errors
    /// The system's.
    pub fn on_clock(source: Arc<dyn TimeSource>) -> io::Result<Self> {
        Self::start(source, None)
    }

    /// Where it answers.
    #[must_use]
    pub fn name(&self) -> ServerName {
        ServerName { host: self.address.ip().to_string().into(), port: self.address.port() }
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    /// As [`Self::behave`], with the drift beginning at this time since the boot.
    pub fn drift(&self, parts_per_million: u32, since_boottime: Duration) {
        let mut shared = self.lock();
        shared.manner = Manner { drift_parts_per_million: parts_per_million, ..Manner::default() };
        shared.drifts_since = since_boottime;
    }

    /// The questions that have come.
    #[must_use]
    pub fn questions(&self) -> Vec<Vec<u8>> {
        self.lock().questions.clone()
    }

    fn start(source: Arc<dyn TimeSource>, time: Option<Arc<DangerousFakeTime>>) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared {
            manner: Manner::default(),
            drifts_since: Duration::ZERO,
            questions: Vec::new(),
            first_answer: None,
        }));
        let known = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve(&socket, &known, source.as_ref(), time.as_deref()));
        Ok(Self { address, shared, thread: Some(thread) })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DangerousTimeServer {
    fn drop(&mut self) {
        let told =
            UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(END, self.address));
        if let Some(thread) = self.thread.take()
            && told.is_ok()
        {
            let _ = thread.join();
        }
    }
}

fn serve(
    socket: &UdpSocket,
    shared: &Mutex<Shared>,
    source: &dyn TimeSource,
    time: Option<&DangerousFakeTime>,
) {
    let mut datagram = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut datagram) {
        let question = datagram.get(..length).unwrap_or_default();
        if question == END {
            return;
        }
        let clocks = source.clocks();
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.questions.push(question.to_vec());
        let manner = shared.manner.clone();
        let drifted =
            clocks.boottime.saturating_sub(shared.drifts_since) * manner.drift_parts_per_million / 1_000_000;
        let offset = manner.offset.saturating_add(SignedDuration::try_from(drifted).unwrap_or_default());
        let now = shifted(clocks.realtime, offset);
        let answer = answer(&manner, question, now);
        let first = shared.first_answer.get_or_insert_with(|| answer.clone()).clone();
        drop(shared);
        if let Some(time) = time {
            time.advance(manner.way_back);
        }
        let mut forged = answer.clone();
        forged.iter_mut().skip(24).take(8).for_each(|octet| *octet ^= 0x5a);
        let datagrams = match manner.form {
            Form::Silent => vec![],
            Form::WrongOrigin => vec![forged],
            Form::ForgedFirst => vec![forged, answer],
            Form::Repeated => vec![first],
            Form::Twice => vec![answer.clone(), answer],
            Form::Length(length) => vec![answer.into_iter().chain([0; 400]).take(length).collect()],
            Form::Good | Form::NoTransmitTimestamp | Form::NoReceiveTimestamp | Form::ReferenceAhead => {
                vec![answer]
            }
        };
        for datagram in datagrams {
            // The client may be gone.
            let _ = socket.send_to(&datagram, from);
        }
    }
}

fn answer(manner: &Manner, question: &[u8], now: Duration) -> Vec<u8> {
    let stamp = timestamp(now);
    let (reference, receive, transmit) = match manner.form {
        Form::NoTransmitTimestamp => (stamp, stamp, [0; 8]),
        Form::NoReceiveTimestamp => (stamp, [0; 8], stamp),
        Form::ReferenceAhead => (timestamp(now + Duration::from_secs(10)), stamp, stamp),
        Form::Good
        | Form::Silent
        | Form::WrongOrigin
        | Form::ForgedFirst
        | Form::Repeated
        | Form::Twice
        | Form::Length(_) => (timestamp(now.saturating_sub(Duration::from_secs(10))), stamp, stamp),
    };
    let mut answer = Vec::with_capacity(PACKET_LENGTH);
    answer.extend([(manner.leap << 6) | (manner.version << 3) | manner.mode, manner.stratum, 4, 0xec]);
    answer.extend(short(manner.root_delay));
    answer.extend(short(manner.root_dispersion));
    answer.extend(manner.reference_id);
    answer.extend(reference);
    answer.extend(question.iter().skip(40).take(8));
    answer.extend(receive);
    answer.extend(transmit);
    answer
}

fn shifted(time: Duration, by: SignedDuration) -> Duration {
    if by.is_negative() {
        time.saturating_sub(by.unsigned_abs())
    } else {
        time.saturating_add(by.unsigned_abs())
    }
}

fn timestamp(time: Duration) -> [u8; 8] {
    let seconds = time.as_secs().wrapping_add(UNIX_EPOCH) & 0xffff_ffff;
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    ((seconds << 32) | fraction).to_be_bytes()
}

fn short(time: Duration) -> [u8; 4] {
    let units = (time.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX).to_be_bytes()
}
