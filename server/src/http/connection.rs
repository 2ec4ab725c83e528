//! One connection from its TLS handshake to its close, under one lazily armed timer.
//!
//! The timer is moved only to an earlier moment, or when it fires: a busy connection touches it every few seconds and
//! not per request, an idle one never.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::oneshot,
    time::{Sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    activity::{Activity, Moment, Overdue, Verdict, Watch},
    backend::Backend,
    limits::HttpLimits,
    registry::{Place, Stop},
    router,
    server::Connection,
    timed_io::TimedIo,
};
use crate::metrics::Level;

/// Serves a connection until it ends, one way or the other.
pub(crate) async fn run<B: Backend>(
    connection: Arc<Connection<B>>,
    socket: TcpStream,
    acceptor: Option<TlsAcceptor>,
    place: Place,
    mut stopped: oneshot::Receiver<Stop>,
) {
    let _counted = Counted::new(&connection.server.metrics.http.connections);
    // Answers are written whole; waiting to fill a packet only delays them. Without it they are merely slower.
    let _ = socket.set_nodelay(true);
    match acceptor {
        None => drive(&connection, socket, stopped).await,
        Some(acceptor) => {
            let secured = tokio::select! {
                _ = &mut stopped => None,
                secured = shake_hands(&connection, acceptor, socket) => secured,
            };
            if let Some(socket) = secured {
                connection.activity.await_head();
                drive(&connection, socket, stopped).await;
            }
        }
    }
    drop(place);
}

async fn shake_hands<B>(
    connection: &Connection<B>,
    acceptor: TlsAcceptor,
    socket: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let shaken = timeout(connection.server.limits.header_read, acceptor.accept(socket)).await;
    if let Ok(Ok(socket)) = shaken {
        return Some(socket);
    }
    connection.server.metrics.http.failed_handshakes.increment();
    None
}

async fn drive<B, T>(connection: &Arc<Connection<B>>, socket: T, stopped: oneshot::Receiver<Stop>)
where
    B: Backend,
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let server = &connection.server;
    let socket = TokioIo::new(TimedIo::new(socket, Arc::clone(&connection.activity)));
    let requests = Arc::clone(connection);
    let service = service_fn(move |request| router::answer(Arc::clone(&requests), request));
    let mut served = pin!(server.protocol.serve_connection(socket, service));
    let mut stopped = Some(stopped);
    let activity = &*connection.activity;
    let watch = Watch::new(&server.limits);
    let armed = watch.due(activity, &server.limits);
    let timer = pin!(sleep_until(activity.instant(armed)));
    let mut alarm = Alarm { timer, armed, watch, activity, limits: &server.limits };

    poll_fn(|context| {
        loop {
            // How it ended is the client's affair: hyper has answered what can be answered.
            if served.as_mut().poll(context).is_ready() {
                if activity.is_flooded() {
                    server.metrics.http.overdue(Overdue::Flood);
                }
                return Poll::Ready(());
            }
            match poll_stop(&mut stopped, context) {
                Some(Stop::Evict) => return Poll::Ready(()),
                Some(Stop::Drain) => {
                    served.as_mut().graceful_shutdown();
                    continue;
                }
                None => {}
            }
            match alarm.poll_verdict(context) {
                Poll::Pending => return Poll::Pending,
                // A request may be waiting to be polled.
                Poll::Ready(Verdict::Wait(_)) => {}
                Poll::Ready(Verdict::CloseIdle) => {
                    served.as_mut().graceful_shutdown();
                    activity.begin_linger();
                }
                Poll::Ready(Verdict::Drop(overdue)) => {
                    server.metrics.http.overdue(overdue);
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

/// What the server asks of this connection, once.
fn poll_stop(stopped: &mut Option<oneshot::Receiver<Stop>>, context: &mut Context<'_>) -> Option<Stop> {
    match Pin::new(stopped.as_mut()?).poll(context) {
        Poll::Pending => None,
        Poll::Ready(stop) => {
            *stopped = None;
            stop.ok()
        }
    }
}

/// The timer of a connection.
struct Alarm<'a> {
    timer: Pin<&'a mut Sleep>,
    armed: Moment,
    watch: Watch,
    activity: &'a Activity,
    limits: &'a HttpLimits,
}

impl Alarm<'_> {
    fn poll_verdict(&mut self, context: &mut Context<'_>) -> Poll<Verdict> {
        let due = self.watch.due(self.activity, self.limits);
        if due < self.armed {
            self.arm(due);
        }
        ready!(self.timer.as_mut().poll(context));
        let verdict = self.watch.check(self.activity, self.limits, self.activity.now());
        if let Verdict::Wait(until) = verdict {
            self.arm(until);
        }
        Poll::Ready(verdict)
    }

    fn arm(&mut self, moment: Moment) {
        self.armed = moment;
        self.timer.as_mut().reset(self.activity.instant(moment));
    }
}

/// Counts an open connection, however its task ends.
struct Counted<'a>(&'a Level);

impl<'a> Counted<'a> {
    fn new(level: &'a Level) -> Self {
        level.rise();
        Self(level)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fall();
    }
}
