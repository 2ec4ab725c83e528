//! What all connections of a server share, and how hyper is set up for them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hyper_util::{rt::TokioExecutor, server::conn::auto};
use tokio::time::Instant;

use super::{
    activity::Activity,
    address::AddressGroup,
    backend::RequestId,
    limits::{HEADER_BYTES_MINIMUM, HttpLimits},
    origin::PublicUrl,
    rate::RateLimiter,
    registry::Registry,
};
use crate::metrics::Metrics;

/// Smallest connection window that HTTP/2 allows (RFC 9113 §6.9.2), in bytes.
const HTTP2_WINDOW_MINIMUM: u32 = 65_535;

/// Bytes of answers that one HTTP/2 stream may buffer.
const HTTP2_SEND_BUFFER: usize = 64 * 1024;

/// Shared by all connections.
#[derive(Debug)]
pub(crate) struct Server<B> {
    pub(crate) backend: B,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: HttpLimits,
    pub(crate) registry: Arc<Registry>,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) protocol: auto::Builder<TokioExecutor>,
    rate: Option<RateLimiter>,
    attestation_rate: Option<RateLimiter>,
    started: Instant,
    run: u32,
    sequence: AtomicU64,
}

/// One connection, shared by its requests.
#[derive(Debug)]
pub(crate) struct Connection<B> {
    pub(crate) server: Arc<Server<B>>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) address: AddressGroup,
    pub(crate) local: SocketAddr,
    pub(crate) is_tls: bool,
}

impl<B> Server<B> {
    pub(crate) fn new(
        backend: B,
        metrics: Arc<Metrics>,
        limits: HttpLimits,
        public_url: Option<PublicUrl>,
    ) -> Self {
        Self {
            backend,
            metrics,
            registry: Registry::new(limits.connections, limits.connections_per_address),
            public_url,
            protocol: protocol(&limits),
            rate: limits.address_rate.map(RateLimiter::new),
            attestation_rate: limits.attestations_per_minute.map(RateLimiter::per_minute),
            limits,
            started: Instant::now(),
            // Names requests in the log and protects nothing: without randomness, runs only share their names.
            run: getrandom::u32().unwrap_or(0),
            sequence: AtomicU64::new(0),
        }
    }

    pub(crate) fn request_id(&self) -> RequestId {
        RequestId { run: self.run, sequence: self.sequence.fetch_add(1, Ordering::Relaxed) }
    }

    /// Takes one request of this address, or says after how many seconds there will be room.
    pub(crate) fn take_rate(&self, address: AddressGroup) -> Result<(), u32> {
        self.rate.as_ref().map_or(Ok(()), |rate| rate.take(address, self.started.elapsed()))
    }

    /// As [`Server::take_rate`], for an attestation that has to be made.
    pub(crate) fn take_attestation(&self, address: AddressGroup) -> Result<(), u32> {
        self.attestation_rate.as_ref().map_or(Ok(()), |rate| rate.take(address, self.started.elapsed()))
    }
}

fn protocol(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    protocol
        .http1()
        // The watch over the connection has this deadline; hyper's own costs a timer per request.
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(HEADER_BYTES_MINIMUM))
        // Clients that close their sending side after the request get their answer. The number of header fields is
        // left at hyper's 100: any other number costs an allocation per request.
        .half_close(true);
    let body = u32::try_from(limits.body_bytes).unwrap_or(u32::MAX);
    protocol
        .http2()
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.http2_pending_resets)
        .max_local_error_reset_streams(limits.http2_local_resets)
        // A client cannot make us hold more than this, whatever it opens.
        .initial_stream_window_size(body.max(HTTP2_WINDOW_MINIMUM))
        .initial_connection_window_size(body.max(HTTP2_WINDOW_MINIMUM).saturating_mul(4))
        .max_frame_size(16_384)
        // No keep-alive pings: a peer that is gone has no requests, and the idle limit closes it; one that is stuck
        // meets the request limit.
        .max_send_buf_size(HTTP2_SEND_BUFFER);
    protocol
}
