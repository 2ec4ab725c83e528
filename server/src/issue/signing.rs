//! From a grant to a finished token: the signature, on whichever of the TSU's signers makes it.
//!
//! Where a TSU has several, a request that one of them fails goes on to the next: with the next one's certificate, a new
//! serial number and the time of that moment, for an unsigned token is built for one signer and is used up. What the
//! client sees is a token, or that no signer was left.

use attestamp_tsa::{Grant, Refusal, TimeStampReq, TimeStampToken, UnsignedToken, UtcInstant};

use super::nested::{self, Nested, NestedFault};
use crate::authority::Running;
use crate::clock::{ClockGate, ClockRefusal};
use crate::ledger::{AuthorityLedger, TokenRecord};
use crate::serial::{SerialError, SerialSource};
use crate::telemetry::Trace;
use crate::tsu::{SelfCheckFailed, SignFault, Signer, Tried, Tsu};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningFault {
    /// No signer is left: what the last of them said.
    #[error("no token was signed")]
    Sign(#[from] SignFault),
    /// No serial number is left.
    #[error("the token gets no serial number")]
    Serial(#[from] SerialError),
    /// The token that this one is to carry.
    #[error("the nested token is missing")]
    Nested(#[source] Box<NestedFault>),
    /// The clock has become untrusted meanwhile.
    #[error("the clock is no longer trusted for another attempt")]
    Time(#[source] ClockRefusal),
    /// What was granted before is refused now.
    #[error("the request is refused at another attempt")]
    Refused(#[from] Refusal),
    /// The finished token was wrong.
    #[error("the finished token is wrong")]
    SelfCheck(#[from] SelfCheckFailed),
    /// The certificates of all signers have ended.
    #[error("no signer may be used at this time")]
    NoSigner,
}

impl SigningFault {
    /// After how many seconds the client may try again, if it is only that there is too much to do.
    pub(super) fn busy(&self) -> Option<u32> {
        match self {
            Self::Sign(SignFault::Busy { retry_after_seconds }) => Some(*retry_after_seconds),
            Self::Nested(nested) => match &**nested {
                NestedFault::Signing(fault) => fault.busy(),
                NestedFault::Missing
                | NestedFault::Time(_)
                | NestedFault::Life(_)
                | NestedFault::Query(_)
                | NestedFault::Malformed(_)
                | NestedFault::Refused(_)
                | NestedFault::Late(_) => None,
            },
            Self::Sign(SignFault::Failed(_) | SignFault::Waiting)
            | Self::Serial(_)
            | Self::Time(_)
            | Self::Refused(_)
            | Self::SelfCheck(_)
            | Self::NoSigner => None,
        }
    }

    /// Whether it is the clock's.
    pub(super) fn is_the_clocks(&self) -> bool {
        match self {
            Self::Time(_) => true,
            Self::Nested(nested) => matches!(**nested, NestedFault::Time(_)),
            Self::Sign(_) | Self::Serial(_) | Self::Refused(_) | Self::SelfCheck(_) | Self::NoSigner => false,
        }
    }
}

/// What a request stands on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) running: &'a Running,
    pub(super) clock: &'a ClockGate,
    pub(super) serials: &'a SerialSource,
    pub(super) ledger: Option<&'a AuthorityLedger>,
    pub(super) trace: &'a Trace,
}

/// A finished token, not on record yet.
pub(super) struct Issued {
    pub(super) token: TimeStampToken,
    pub(super) gen_time: UtcInstant,
    /// What the ledger is told of it; `None` where none is kept.
    pub(super) record: Option<TokenRecord>,
    /// The token that it carries.
    pub(super) nested: Option<Nested>,
}

/// The finished token for a request that was granted at `now`.
pub(super) async fn token<'a>(
    around: Surroundings<'a>,
    tsu: &'a Tsu,
    request: &TimeStampReq<'a>,
    grant: Grant<'a>,
    now: UtcInstant,
) -> Result<Issued, SigningFault> {
    let (mut grant, mut now, mut tried) = (grant, now, Tried::default());
    let mut fault = None;
    while let Some((signer, patience)) = tsu.next_signer(&mut tried, now) {
        if let Some(before) = fault.take() {
            tracing::warn!(
                tsu = tsu.name(),
                signer = signer.label(),
                error = crate::log::chain(&before),
                "goes on to this signer"
            );
            // Waiting for the one before has cost time, which the token must not deny.
            now = around.clock.now().map_err(SigningFault::Time)?.instant;
            grant = tsu.profile().decide(request, now)?;
        }
        match signed_by(around, tsu, signer, &grant, patience).await {
            Ok(issued) => return Ok(issued),
            Err(failed @ (SigningFault::Sign(_) | SigningFault::SelfCheck(_))) => {
                if failed.busy().is_none() {
                    tsu.note_failure(signer);
                }
                fault = Some(failed);
            }
            // Another signer would do no better.
            Err(
                failed @ (SigningFault::Serial(_)
                | SigningFault::Nested(_)
                | SigningFault::Time(_)
                | SigningFault::Refused(_)
                | SigningFault::NoSigner),
            ) => return Err(failed),
        }
    }
    Err(fault.unwrap_or(SigningFault::NoSigner))
}

async fn signed_by(
    around: Surroundings<'_>,
    tsu: &Tsu,
    signer: &Signer,
    grant: &Grant<'_>,
    patience: std::time::Duration,
) -> Result<Issued, SigningFault> {
    // the state of the clock that the token rests on, recorded before it (server/src/ledger/clock_state.rs)
    let clock_state = around.ledger.map(|ledger| ledger.clock_state(around.clock)).transpose();
    let clock_state = clock_state.map_err(SigningFault::Time)?;
    let template = signer.template().ok_or(SignFault::Waiting)?;
    // unique without a disk (server/src/serial.rs); grant -> the bytes to sign (tsa/src/token.rs)
    let serial = around.serials.next()?;
    let token = UnsignedToken::build(grant, template, serial);
    // the only slow step, behind a bounded queue (hsm/src/pool.rs)
    let signing = around.trace.step("sign");
    let signature = signer.sign(token.to_be_signed(), patience).await?;
    drop(signing);
    // where the TSU is to: a post-quantum token over this signature (server/src/issue/nested.rs)
    let nested = match tsu.nested_name() {
        Some(name) => {
            let _nesting = around.trace.step("nest");
            let nested = nested::over_signature(around, name, &signature).await;
            Some(nested.map_err(|fault| SigningFault::Nested(Box::new(fault)))?)
        }
        None => None,
    };
    // token and reply (tsa/src/token.rs, tsa/src/response.rs)
    let token = match &nested {
        Some(nested) => token.attach_with_nested(&signature, &nested.token),
        None => token.attach(&signature),
    };
    // the first of each session in the token, or every one (server/src/tsu/self_check.rs)
    signer.check_finished(&token, &signature).inspect_err(|wrong| {
        tracing::error!(
            tsu = tsu.name(),
            signer = signer.label(),
            error = crate::log::chain(wrong),
            "THE SIGNER MADE A WRONG SIGNATURE: the token was not released, and the signer reconnects"
        );
    })?;
    let (gen_time, accuracy) = (grant.gen_time, tsu.accuracy());
    let record = clock_state.map(|state| {
        TokenRecord::new(&token, signer.certificate_hash(), serial, (gen_time, accuracy), grant.policy, state)
    });
    Ok(Issued { token, gen_time, record, nested })
}
