//! F6: the clocks of tokens that have one, as a cross-check only. A difference is warned of and stops nothing: a token's
//! clock is set by hand and seldom, and ours is checked by better ones.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use attestamp_hsm::TokenTime;
use jiff::SignedDuration;

use super::LOG_TARGET;
use super::source::signed;

/// Which tokens' clocks differ from ours by more than the limit.
#[derive(Debug)]
pub struct TokenClocks {
    limit: Duration,
    differing: Mutex<BTreeMap<String, TokenClockWarning>>,
}

/// A token's clock that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenClockWarning {
    /// By more than the limit.
    #[error(
        "the token's own clock is {:?} {} ours, more than {limit:?}: one of them is wrong; tokens are issued by ours",
        by.unsigned_abs(),
        if by.is_negative() { "behind" } else { "ahead of" }
    )]
    Differs {
        /// The token's time minus ours, at the least.
        by: SignedDuration,
        /// The most it may be.
        limit: Duration,
    },
    /// It shows no date.
    #[error("the token's own clock shows no date")]
    NoDate,
}

impl TokenClocks {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, differing: Mutex::default() }
    }

    /// Notes what a token's clock showed between two readings of ours (since 1970); `None` if it has no clock. A change is
    /// logged.
    pub fn note(&self, token: &str, shown: Option<TokenTime>, before: Duration, after: Duration) {
        let warning = shown.and_then(|shown| warning(shown, before, after, self.limit));
        let mut differing = self.differing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = differing.contains_key(token);
        match warning {
            Some(warning) => {
                if !known {
                    tracing::warn!(target: LOG_TARGET, token, "{warning}");
                }
                differing.insert(token.to_owned(), warning);
            }
            None => {
                if known {
                    tracing::info!(target: LOG_TARGET, token, "the token's own clock agrees again");
                }
                differing.remove(token);
            }
        }
    }

    /// The tokens whose clocks differ, by name.
    #[must_use]
    pub fn warnings(&self) -> Vec<(String, TokenClockWarning)> {
        let differing = self.differing.lock().unwrap_or_else(PoisonError::into_inner);
        differing.iter().map(|(token, warning)| (token.clone(), *warning)).collect()
    }
}

/// Whole seconds are shown: the token's time is within the second that begins there.
fn warning(
    shown: TokenTime,
    before: Duration,
    after: Duration,
    limit: Duration,
) -> Option<TokenClockWarning> {
    let Some(shown) = since_1970(shown) else { return Some(TokenClockWarning::NoDate) };
    let ahead = signed(shown).saturating_sub(signed(after));
    let behind = signed(before).saturating_sub(signed(shown.saturating_add(Duration::from_secs(1))));
    let by = if ahead >= behind { ahead } else { -behind };
    (ahead.max(behind) > signed(limit)).then_some(TokenClockWarning::Differs { by, limit })
}

fn since_1970(shown: TokenTime) -> Option<Duration> {
    let narrow = |number: u8| i8::try_from(number).ok();
    // Some clocks know a leap second.
    let second = shown.second.min(59);
    let date = jiff::civil::DateTime::new(
        i16::try_from(shown.year).ok()?,
        narrow(shown.month)?,
        narrow(shown.day)?,
        narrow(shown.hour)?,
        narrow(shown.minute)?,
        narrow(second)?,
        0,
    );
    let instant = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(instant.as_second()).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T12:47:03Z.
    const NOON: Duration = Duration::from_secs(1_795_351_623);
    const SHOWN: TokenTime = TokenTime { year: 2026, month: 11, day: 22, hour: 12, minute: 47, second: 3 };

    fn clocks() -> TokenClocks {
        TokenClocks::new(Duration::from_secs(5))
    }

    fn noted(now: Duration) -> Vec<(String, TokenClockWarning)> {
        let clocks = clocks();
        clocks.note("hsm", Some(SHOWN), now, now + Duration::from_millis(3));
        clocks.warnings()
    }

    #[test]
    fn f6_a_difference_within_the_limit_is_none_and_beyond_it_is_named_with_its_direction() {
        assert_eq!(noted(NOON), []);
        // The token is within the second that it shows: six seconds on, it may be five behind.
        assert_eq!(noted(NOON + Duration::from_secs(6)), []);
        let behind = noted(NOON + Duration::from_secs(7));
        assert!(behind[0].1.to_string().starts_with("the token's own clock is 6s behind ours"), "{behind:?}");
        assert_eq!(noted(NOON - Duration::from_secs(5)), []);
        let ahead = noted(NOON - Duration::from_secs(3_600));
        assert!(ahead[0].1.to_string().contains("ahead of ours"), "{ahead:?}");
    }

    #[test]
    fn f6_a_clock_that_is_set_right_or_gone_is_warned_of_no_more() {
        let clocks = clocks();
        let wrong = TokenTime { year: 2000, ..SHOWN };
        clocks.note("hsm", Some(wrong), NOON, NOON);
        clocks.note("other", Some(SHOWN), NOON, NOON);
        assert_eq!(clocks.warnings().len(), 1);
        clocks.note("hsm", Some(SHOWN), NOON, NOON);
        assert_eq!(clocks.warnings(), []);
        clocks.note("hsm", Some(TokenTime { month: 13, ..SHOWN }), NOON, NOON);
        assert_eq!(clocks.warnings(), [("hsm".to_owned(), TokenClockWarning::NoDate)]);
        clocks.note("hsm", None, NOON, NOON);
        assert_eq!(clocks.warnings(), []);
    }
}
