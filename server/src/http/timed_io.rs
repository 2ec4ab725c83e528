//! A socket that tells the connection's [`Activity`] what passes through it.
//!
//! It sees the first byte of a header, a client that does not read, one that sends without asking for anything, which it
//! ends, and the close; the deadlines themselves are kept
//! in `connection`. It sits above TLS, so that both kinds of connection are watched alike.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// Beginning of the HTTP/2 preface (RFC 9113 §3.4); no HTTP/1 request begins so.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// What a closing connection reads and discards at most, in bytes.
const LINGER_BYTES: usize = 1 << 20;

/// The watched socket.
#[derive(Debug)]
pub(crate) struct TimedIo<T> {
    inner: T,
    activity: Arc<Activity>,
    has_read: bool,
    at_end: bool,
    /// How much may still be discarded; `None` until the write side is closed.
    linger_bytes: Option<usize>,
}

impl<T> TimedIo<T> {
    pub(crate) const fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self { inner, activity, has_read: false, at_end: false, linger_bytes: None }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for TimedIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        match buffer.filled().get(before..) {
            None | Some([]) => self.at_end = true,
            Some(bytes) => {
                if !self.has_read {
                    self.has_read = true;
                    if bytes.starts_with(HTTP2_PREFACE) {
                        self.activity.speaks_http2();
                    }
                }
                if !self.activity.bytes_read(bytes.len()) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if written.is_pending() {
            self.activity.write_blocked();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        if written.is_pending() {
            self.activity.write_blocked();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// The layers above flush when their buffers are empty: only then is the client no longer slow. One byte taken now
    /// and then does not count.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if flushed.is_pending() {
            self.activity.write_blocked();
        } else {
            self.activity.write_drained();
        }
        flushed
    }

    /// Closes the write side, then discards what the client still sends: closing a socket with unread input resets it,
    /// and the client may lose the answer that it was sent (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut allowance = match self.linger_bytes {
            Some(allowance) => allowance,
            None => {
                ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
                if self.at_end || !self.has_read || !self.activity.has_unread_input() {
                    return Poll::Ready(Ok(()));
                }
                self.activity.begin_linger();
                LINGER_BYTES
            }
        };
        let mut scratch = [0; 4096];
        while allowance > 0 {
            self.linger_bytes = Some(allowance);
            let mut discarded = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut discarded));
            let count = discarded.filled().len();
            // An error now is the client's own end.
            if read.is_err() || count == 0 {
                break;
            }
            allowance = allowance.saturating_sub(count);
        }
        Poll::Ready(Ok(()))
    }
}
