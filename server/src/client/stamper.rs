//! Gets a token for one hash value: asks the authorities in order, again after pauses, and keeps only what answers.
//!
//! A token is kept when it is for this request (hash, nonce, policy); with a [`TokenCheck`] also only when it verifies.
//! Each attempt has a nonce of its own, so that an answer that comes late cannot be taken for the next one's.

use std::fmt;
use std::sync::Arc;

use attestamp_certs::{Digest, HashAlgorithm, SignatureAlgorithm};
use attestamp_tsa::PolicyOid;
use attestamp_tsa::verify::TokenInvalid;
use bytes::Bytes;

use super::address::Address;
use super::attempt::{AttemptError, FailedAttempt};
use super::query::{Nonce, Query};
use super::reply::{self, Reply};
use super::retry::{Pause, RealPause, Remedy, Schedule, back_off};
use super::transport::Transport;

/// What every request of a run has in common.
#[derive(Debug, Clone)]
pub struct StampOptions {
    /// Hash of the data.
    pub hash: HashAlgorithm,
    /// Policy asked for.
    pub policy: Option<PolicyOid>,
    /// Whether requests carry a nonce.
    pub nonce: bool,
    /// Whether tokens shall carry certificates.
    pub certificates: bool,
    /// How many more times the addresses are asked after the first.
    pub retries: u32,
}

/// Verifies a reply further than [`Query::check`] does: against roots. Given the reply and the query that it answers, it
/// gives what the token is signed with.
pub type TokenCheck = dyn Fn(&[u8], &Query) -> Result<SignatureAlgorithm, TokenInvalid> + Send + Sync;

/// Asks authorities for tokens.
#[derive(Clone)]
pub struct Stamper<P = RealPause> {
    /// How to reach them.
    pub transport: Transport,
    /// Whom to ask, in order.
    pub addresses: Vec<Address>,
    /// What to ask for.
    pub options: StampOptions,
    /// What else a token must pass.
    pub check: Option<Arc<TokenCheck>>,
    /// How to wait between rounds.
    pub pause: P,
}

impl<P> fmt::Debug for Stamper<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addresses, options) = (&self.addresses, &self.options);
        formatter.debug_struct("Stamper").field("addresses", addresses).field("options", options).finish()
    }
}

/// A token that answers the request.
#[derive(Debug)]
pub struct Stamped {
    /// The whole `TimeStampResp` in DER, as it is kept in a `.tsr` file.
    pub reply: Bytes,
    /// Who issued it.
    pub address: Address,
    /// Its time, as RFC 3339 in UTC.
    pub time: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// Its policy.
    pub policy: String,
    /// What it is signed with, if a [`TokenCheck`] verified it.
    pub verified: Option<SignatureAlgorithm>,
    /// What went wrong before.
    pub failed_attempts: Vec<FailedAttempt>,
}

/// No token: every attempt failed.
#[derive(Debug)]
pub struct NotStamped {
    /// The attempts, in order.
    pub failed_attempts: Vec<FailedAttempt>,
}

impl<P: Pause> Stamper<P> {
    /// Gets a token for a hash value.
    ///
    /// # Errors
    /// When no address gave one, after all retries, or one refused the request for good.
    pub async fn stamp(&self, imprint: Digest) -> Result<Stamped, NotStamped> {
        let mut failed_attempts = Vec::new();
        let mut schedule = Schedule::new(self.addresses.len());
        for round in 0..=self.options.retries {
            if round > 0 {
                let Some(pause) = schedule.pause(back_off(round, getrandom::u32().unwrap_or(u32::MAX)))
                else {
                    break;
                };
                self.pause.pause(pause).await;
                schedule.passed(pause);
            }
            for position in schedule.due() {
                let Some(address) = self.addresses.get(position) else { continue };
                match self.ask(address, imprint).await {
                    Ok(stamped) => return Ok(Stamped { failed_attempts, ..stamped }),
                    Err(error) => {
                        let remedy = error.remedy();
                        failed_attempts.push(FailedAttempt { address: address.clone(), error });
                        if remedy == Remedy::GiveUp {
                            return Err(NotStamped { failed_attempts });
                        }
                        schedule.note(position, remedy);
                    }
                }
            }
        }
        Err(NotStamped { failed_attempts })
    }

    async fn ask(&self, address: &Address, imprint: Digest) -> Result<Stamped, AttemptError> {
        let StampOptions { hash, certificates, .. } = self.options;
        let policy = self.options.policy.clone();
        let nonce = if self.options.nonce { Some(Nonce::new(getrandom::u64()?)) } else { None };
        let query = Query { hash, imprint, policy, nonce, certificates };
        let answer = self.transport.post(address.uri(), query.to_der()?.into()).await?;
        let reply = answer.into_reply()?;
        let claims = match reply::read(&reply)? {
            Reply::Granted(claims) => claims,
            Reply::Rejected(response) => return Err(AttemptError::rejected(&response)),
        };
        query.check(&claims).map_err(|field| AttemptError::ForAnotherRequest { field })?;
        let verified = match &self.check {
            Some(check) => Some(
                check(&reply, &query).map_err(|source| AttemptError::Invalid { source: Box::new(source) })?,
            ),
            None => None,
        };
        Ok(Stamped {
            address: address.clone(),
            time: claims.rfc3339(),
            serial: claims.serial_hexadecimal(),
            policy: claims.policy_dotted(),
            verified,
            failed_attempts: Vec::new(),
            reply,
        })
    }
}

/// Every address that was asked with its last error, and how often it was asked.
impl fmt::Display for NotStamped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown: Vec<&Address> = Vec::new();
        for attempt in self.failed_attempts.iter().rev() {
            if shown.contains(&&attempt.address) {
                continue;
            }
            if !shown.is_empty() {
                formatter.write_str("; ")?;
            }
            shown.push(&attempt.address);
            write!(formatter, "{attempt}")?;
            let count = self.failed_attempts.iter().filter(|other| other.address == attempt.address).count();
            if count > 1 {
                write!(formatter, " ({count} attempts)")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for NotStamped {}

/// The address and the error with all its causes.
impl fmt::Display for FailedAttempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.address, self.error)?;
        let mut cause = std::error::Error::source(&self.error);
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
