//! Every limit of the HTTP layer: its name, its default and the attack it answers.
//!
//! One struct, so that an operator can read in one place what one client can cost, and so that tests can shrink the
//! deadlines. Memory is bounded by `connections` times what one connection may hold (a header, a body, for HTTP/2 its
//! streams). What a timestamp request may contain is bounded in `tsa`, the queue in front of the HSM in `hsm`.

use std::time::Duration;

/// Smallest header limit that the HTTP/1 parser can enforce, in bytes.
pub const HEADER_BYTES_MINIMUM: usize = 8 * 1024;

/// The limits of one server; the listeners share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest request body in bytes; more is answered 413. A `TimeStampReq` has under 200 bytes, and no decoder sees
    /// more than this.
    pub body_bytes: usize,
    /// Largest request header in bytes, request line included: 431 in HTTP/1, a stream error in HTTP/2. At least
    /// [`HEADER_BYTES_MINIMUM`]. HTTP/1 also stops at 100 fields; in HTTP/2 each field counts 32 bytes more than it has
    /// (RFC 9113 §6.5.2), which bounds their number.
    pub header_bytes: usize,
    /// From the first byte of a request (or from the accepted connection) to the end of its header, TLS handshake
    /// apart. The connection is then closed: nothing was asked yet that could be answered (slow headers).
    pub header_read: Duration,
    /// From the end of the header to the end of the body; then 408 (slow body, stalled `Expect`).
    pub body_read: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive_idle: Duration,
    /// How long the socket may refuse the bytes of a buffered answer (slow reading); then the connection is dropped.
    pub write: Duration,
    /// A request that is not finished after this time, and at the latest after twice this time, ends its connection:
    /// HTTP/2 streams whose window is never opened, a backend without a deadline of its own.
    pub request: Duration,
    /// How long a closing connection goes on discarding what the client still sends, so that the answer (413, 415) is
    /// not lost to a TCP reset.
    pub linger: Duration,
    /// Open connections of all listeners. Past it, the connection that has waited longest without a request makes
    /// room; if none is waiting, the newcomer gets 503 with `Retry-After`. Bounded by the open-file limit.
    pub connections: usize,
    /// Open connections of one address (IPv6: of one /64); `None` for no limit of its own. Raise it behind a reverse
    /// proxy, where every client has the proxy's address.
    pub connections_per_address: Option<usize>,
    /// Requests of one address; past it, 429 with `Retry-After`. Off by default, since bulk signing behind one address
    /// is legitimate, and wrong behind a reverse proxy.
    pub address_rate: Option<AddressRate>,
    /// Requests of one address in a minute for attestations with a nonce, each of which costs the token signatures; past
    /// it, 429 with `Retry-After`, so that the others find something left of what all may ask for. `None` for no limit.
    pub attestations_per_minute: Option<u32>,
    /// Requests that one HTTP/2 connection may have open at a time.
    pub http2_streams: u32,
    /// Streams that the client reset before they were handled; more end the connection (CVE-2023-44487, rapid reset).
    pub http2_pending_resets: usize,
    /// Streams that we had to reset for the client's errors; more end the connection (RUSTSEC-2024-0003).
    pub http2_local_resets: usize,
    /// How long requests in flight may go on after a stop was asked for.
    pub shutdown_grace: Duration,
    /// Connections that the kernel completes before they are accepted.
    pub backlog: u32,
}

/// A rate with its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRate {
    /// Requests per second in the long run; zero counts as one.
    pub requests_per_second: u32,
    /// Requests that may come at once after a pause; zero counts as one.
    pub burst: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 16 * 1024,
            header_bytes: 16 * 1024,
            header_read: Duration::from_secs(5),
            body_read: Duration::from_secs(5),
            keep_alive_idle: Duration::from_secs(75),
            write: Duration::from_secs(10),
            request: Duration::from_secs(60),
            linger: Duration::from_secs(1),
            connections: 8192,
            connections_per_address: Some(1024),
            address_rate: None,
            attestations_per_minute: Some(10),
            http2_streams: 100,
            http2_pending_resets: 20,
            http2_local_resets: 64,
            shutdown_grace: Duration::from_secs(10),
            backlog: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_documentation_promises() {
        let limits = HttpLimits::default();
        assert_eq!(limits.body_bytes, 16_384);
        assert_eq!(limits.header_bytes, 16_384);
        assert!(limits.header_bytes >= HEADER_BYTES_MINIMUM);
        assert_eq!(limits.header_read, Duration::from_secs(5));
        assert_eq!(limits.body_read, Duration::from_secs(5));
        assert_eq!(limits.shutdown_grace, Duration::from_secs(10));
    }
}
