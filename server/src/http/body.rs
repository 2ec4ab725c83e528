//! Reading a request's body under its cap and its deadline.
//!
//! An HTTP/1 request shares its task with its connection, whose watch polls it when the body is overdue: no timer of its
//! own. An HTTP/2 request has its own task, and a timer that is armed only if the body did not come with the header.
//! Empty DATA frames (CVE-2019-9518) never get here: h2 discards them, and ends the connection if there are many.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use hyper::{
    Version,
    body::{Body, Incoming},
};

use super::{activity::Activity, limits::HttpLimits, problem::Problem};

/// Reads the body to its end.
pub(crate) async fn read(
    body: Incoming,
    version: Version,
    limits: &HttpLimits,
    activity: &Activity,
) -> Result<Bytes, Problem> {
    let limit_bytes = limits.body_bytes;
    if body.size_hint().lower() > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
        return Err(Problem::BodyTooLarge { limit_bytes });
    }
    let mut collector = Collector { body, limit_bytes, first: Bytes::new(), whole: BytesMut::new() };
    let collected = poll_fn(move |context| collector.poll(context));
    if version == Version::HTTP_2 {
        let within = tokio::time::timeout(limits.body_read, collected).await;
        return within.unwrap_or(Err(Problem::BodyTooSlow));
    }
    let mut collected = pin!(collected);
    let mut due = None;
    let read = poll_fn(|context| match collected.as_mut().poll(context) {
        Poll::Ready(read) => Poll::Ready(read),
        Poll::Pending => match due {
            None => {
                due = Some(activity.await_body(limits.body_read));
                Poll::Pending
            }
            Some(due) if activity.now() >= due => Poll::Ready(Err(Problem::BodyTooSlow)),
            Some(_) => Poll::Pending,
        },
    })
    .await;
    activity.body_done();
    read
}

struct Collector {
    body: Incoming,
    limit_bytes: usize,
    /// The only piece of nearly every body, not copied.
    first: Bytes,
    whole: BytesMut,
}

impl Collector {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Problem>> {
        while !self.body.is_end_stream() {
            let piece = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => break,
                Some(Err(_)) => return Poll::Ready(Err(Problem::IncompleteBody)),
                // Trailers say nothing to us.
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            if let Err(problem) = self.take(piece) {
                return Poll::Ready(Err(problem));
            }
        }
        let whole = std::mem::take(&mut self.whole);
        let first = std::mem::take(&mut self.first);
        Poll::Ready(Ok(if whole.is_empty() { first } else { whole.freeze() }))
    }

    fn take(&mut self, piece: Bytes) -> Result<(), Problem> {
        let before = if self.whole.is_empty() { self.first.len() } else { self.whole.len() };
        if before + piece.len() > self.limit_bytes {
            return Err(Problem::BodyTooLarge { limit_bytes: self.limit_bytes });
        }
        if before == 0 {
            self.first = piece;
            return Ok(());
        }
        if self.whole.is_empty() {
            self.whole.extend_from_slice(&self.first);
        }
        self.whole.extend_from_slice(&piece);
        Ok(())
    }
}
