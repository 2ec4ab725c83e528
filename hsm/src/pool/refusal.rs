//! What a pool says when it does not sign, and how it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::HsmError;

/// Why there is no signature.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignError {
    /// All sessions are signing, and the queue is full: come back later.
    #[error("all {sessions} signing sessions are taken and {queue_length} requests wait")]
    Busy {
        /// How many sessions the pool has.
        sessions: usize,
        /// How long its queue is; 0 inline.
        queue_length: usize,
    },
    /// The token cannot be reached now, or must not be used: see [`PoolState`].
    #[error("the signing key is not available")]
    Unavailable {
        /// What happened to it.
        #[source]
        reason: Arc<HsmError>,
    },
    /// The request waited too long and was not signed, or its answer did not come in time.
    #[error("the request waited {} ms for a signature, more than {} ms", waited.as_millis(), deadline.as_millis())]
    DeadlinePassed {
        /// How long it had waited.
        waited: Duration,
        /// How long it might.
        deadline: Duration,
    },
    /// Every session has been in the module for longer than the deadline: a further request would only wait too.
    #[error("no signature has come back from the module for {} ms", since.as_millis())]
    Stalled {
        /// For how long.
        since: Duration,
    },
    /// The module failed.
    #[error("signing failed")]
    Failed {
        /// How.
        #[source]
        reason: Arc<HsmError>,
    },
    /// The pool is being dropped.
    #[error("the signing pool is stopping")]
    Stopped,
}

/// How a pool is.
#[derive(Debug, Clone)]
pub enum PoolState {
    /// It signs.
    Up,
    /// It would sign, but no session has come back from the module for longer than the deadline.
    Stalled {
        /// How long the session that came back last, or the quickest of those that did not, has been away.
        since: Duration,
    },
    /// It tries to come back by itself.
    Recovering {
        /// What happened last.
        reason: Arc<HsmError>,
        /// How many attempts have failed.
        attempts: u32,
    },
    /// It waits for a person: trying again would lock a PIN or sign with another key than the certificate's.
    Down {
        /// What happened.
        reason: Arc<HsmError>,
    },
}

impl PoolState {
    /// Whether no session has come back from the module for longer than the deadline.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        matches!(self, Self::Stalled { .. })
    }

    /// Whether the pool signs now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

impl fmt::Display for PoolState {
    /// One line, with the whole chain of reasons.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => formatter.write_str("up"),
            Self::Stalled { since } => {
                write!(formatter, "stalled: no signature has come back for {} ms", since.as_millis())
            }
            Self::Recovering { reason, attempts } => {
                write!(formatter, "recovering, {attempts} attempts failed: ")?;
                write_chain(formatter, reason)
            }
            Self::Down { reason } => {
                formatter.write_str("down until somebody has looked: ")?;
                write_chain(formatter, reason)
            }
        }
    }
}

/// An error with all its causes in one line, for logs, whose formats keep the outermost only.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

fn write_chain(formatter: &mut fmt::Formatter<'_>, error: &dyn std::error::Error) -> fmt::Result {
    formatter.write_str(&chain(error))
}
