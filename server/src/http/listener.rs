//! Listening: sockets bound with a clear error, connections admitted, a stop that finishes what is in flight.

use std::{
    future::Future,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{
    activity::Activity,
    address::AddressGroup,
    backend::Backend,
    connection,
    limits::HttpLimits,
    origin::PublicUrl,
    problem::OVERLOADED,
    registry::NotAdmitted,
    server::{Connection, Server},
    tls::Tls,
};
use crate::metrics::Metrics;

/// Files that the program needs beside its connections.
const OTHER_FILES: u64 = 128;

/// Pause after an accept that failed for want of files or memory: the listener stays readable meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What to listen on, and how.
#[derive(Debug)]
pub struct ServeConfig {
    /// The listeners; they share limits and backend.
    pub listeners: Vec<ListenerConfig>,
    /// The limits.
    pub limits: HttpLimits,
    /// Where clients reach this server; without it, the page prints what the client's `Host` says.
    pub public_url: Option<PublicUrl>,
}

/// One listener.
#[derive(Debug)]
pub struct ListenerConfig {
    /// Address and port; port 0 lets the kernel choose.
    pub address: SocketAddr,
    /// TLS, if this listener speaks it.
    pub tls: Option<Arc<Tls>>,
}

/// Why a listener cannot be opened.
#[derive(Debug, Error)]
pub enum BindError {
    /// Something else listens there.
    #[error("{address} is in use: stop what listens there (`ss -ltnp` names it), or listen elsewhere")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The process may not listen there.
    #[error(
        "not permitted to listen on {address}: ports below 1024 need CAP_NET_BIND_SERVICE \
         (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or listen on a higher port"
    )]
    NotPermitted {
        /// The address asked for.
        address: SocketAddr,
    },
    /// No interface has this address.
    #[error(
        "no network interface has the address of {address}: listen on one that `ip address` shows, or on 0.0.0.0"
    )]
    NoSuchAddress {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Failed {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Listeners that are bound and not yet served: the kernel already queues their connections.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(TcpListener, SocketAddr, Option<Arc<Tls>>)>,
    limits: HttpLimits,
    public_url: Option<PublicUrl>,
}

/// Binds and serves until `shutdown` is ready; returns when the last connection is closed.
///
/// # Errors
/// If a listener cannot be opened.
pub async fn serve<B: Backend>(
    config: ServeConfig,
    backend: B,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), BindError> {
    Bound::bind(config)?.serve(backend, metrics, shutdown).await;
    Ok(())
}

impl Bound {
    /// Opens the listeners. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub fn bind(config: ServeConfig) -> Result<Self, BindError> {
        let ServeConfig { listeners, mut limits, public_url } = config;
        limits.connections = affordable_connections(limits.connections);
        let backlog = limits.backlog;
        let open = |ListenerConfig { address, tls }| {
            let failed = |source| bind_error(address, source);
            let listener = listen(address, backlog).map_err(failed)?;
            let local = listener.local_addr().map_err(failed)?;
            Ok((listener, local, tls))
        };
        let listeners = listeners.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { listeners, limits, public_url })
    }

    /// The addresses bound, in the order of the configuration, with the ports that the kernel chose.
    pub fn local_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|(_, local, _)| *local)
    }

    /// Serves until `shutdown` is ready, then stops accepting, closes idle connections, lets requests in flight end
    /// within the grace, and returns when the last connection is closed.
    pub async fn serve<B: Backend>(
        self,
        backend: B,
        metrics: Arc<Metrics>,
        shutdown: impl Future<Output = ()>,
    ) {
        let server = Arc::new(Server::new(backend, metrics, self.limits, self.public_url));
        let stop = CancellationToken::new();
        let mut loops = JoinSet::new();
        for (listener, local, tls) in self.listeners {
            info!(address = %local, tls = tls.is_some(), "listening");
            loops.spawn(accept_until(Arc::clone(&server), listener, local, tls, stop.clone()));
        }
        shutdown.await;
        info!(connections = server.registry.len(), "stopping");
        stop.cancel();
        while loops.join_next().await.is_some() {}
    }
}

/// Lets this process open as many files as its hard limit allows, since each connection is one; returns that limit, or
/// `None` if there is none. To be called once at start.
#[must_use]
pub fn raise_open_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        debug!(%error, "the open-file limit stays");
        return limit.current;
    }
    limit.maximum
}

fn affordable_connections(wanted: usize) -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let affordable = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if affordable < wanted {
        warn!(wanted, affordable, "the open-file limit allows fewer connections than configured");
    }
    wanted.min(affordable)
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

fn bind_error(address: SocketAddr, source: io::Error) -> BindError {
    // `ErrorKind` is the standard library's and not exhaustive.
    #[expect(clippy::wildcard_enum_match_arm, reason = "io::ErrorKind is non-exhaustive")]
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::PermissionDenied => BindError::NotPermitted { address },
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address },
        _ => BindError::Failed { address, source },
    }
}

/// Accepts until told to stop, then waits for the connections of this listener.
async fn accept_until<B: Backend>(
    server: Arc<Server<B>>,
    listener: TcpListener,
    local: SocketAddr,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => admit(&server, &mut connections, socket, peer, local, tls.as_deref()),
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    server.registry.drain();
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    if timeout(server.limits.shutdown_grace, finished).await.is_err() {
        warn!(connections = connections.len(), "closing connections that did not finish in time");
    }
    connections.shutdown().await;
}

fn admit<B: Backend>(
    server: &Arc<Server<B>>,
    connections: &mut JoinSet<()>,
    socket: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    tls: Option<&Tls>,
) {
    let activity = Arc::new(Activity::new());
    let address = AddressGroup::of(peer.ip());
    match server.registry.admit(address, &activity) {
        Ok((place, stopped, evicts)) => {
            if evicts {
                server.metrics.http.evicted.increment();
            }
            let is_tls = tls.is_some();
            let connection = Connection { server: Arc::clone(server), activity, address, local, is_tls };
            let acceptor = tls.map(Tls::acceptor);
            connections.spawn(connection::run(Arc::new(connection), socket, acceptor, place, stopped));
        }
        Err(reason) => {
            server.metrics.http.refused(reason);
            if tls.is_none() && reason != NotAdmitted::Stopping {
                turn_away(socket);
            }
        }
    }
}

/// Says 503 if the socket takes it at once, and closes: a connection that is one too many gets no task and no wait.
fn turn_away(socket: TcpStream) {
    if let Ok(mut socket) = socket.into_std() {
        // What has come already would reset the connection, and the answer with it.
        let _ = socket.read(&mut [0; 2048]);
        let _ = socket.write(OVERLOADED);
        let _ = socket.shutdown(std::net::Shutdown::Write);
    }
}

async fn pause_after(error: &io::Error) {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        // The client went away while it was queued.
        Some(rustix::io::Errno::CONNABORTED | rustix::io::Errno::CONNRESET | rustix::io::Errno::INTR) => {}
        Some(_) | None => {
            error!(%error, "cannot accept a connection");
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection ended by a panic");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(address: SocketAddr) -> ServeConfig {
        let listeners = vec![ListenerConfig { address, tls: None }];
        ServeConfig { listeners, limits: HttpLimits::default(), public_url: None }
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_what_to_do() {
        let bound = Bound::bind(config("127.0.0.1:0".parse().unwrap())).unwrap();
        let taken = bound.local_addresses().next().unwrap();
        let error = Bound::bind(config(taken)).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
        assert!(error.to_string().contains(&taken.to_string()));
    }

    #[tokio::test]
    async fn an_address_that_no_interface_has_is_refused() {
        // TEST-NET-1 (RFC 5737).
        let error = Bound::bind(config("192.0.2.1:0".parse().unwrap())).unwrap_err();
        assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error:?}");
    }

    #[test]
    fn connections_are_bounded_by_the_open_file_limit() {
        let files = getrlimit(Resource::Nofile).current.unwrap();
        assert!(u64::try_from(affordable_connections(usize::MAX)).unwrap() < files);
        assert_eq!(affordable_connections(1), 1);
    }
}
