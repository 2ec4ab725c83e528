//! Whether an accuracy may be claimed on this clock (RFC 3161 §2.4.2): it must cover all that may lie between the true
//! time of issuance and genTime. Checked at start; while running, the clock's own budget keeps the sum.

use std::time::Duration;

use thiserror::Error;

/// What a claim rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccuracyBasis {
    /// The clock's error bound is known and enforced.
    Assured,
    /// Nobody knows the clock's error: the claim covers truncation and signing only, and is otherwise a hope (F8).
    Unassured,
}

/// A claim that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "an accuracy of {claimed:?} cannot be claimed: the clock may be wrong by {clock_error_bound:?}, genTime is cut by \
     up to {truncation:?} and signing takes up to {signing:?}, together {required:?}; claim more, state genTime more \
     finely, or lower `clock.max-error-milliseconds`"
)]
pub struct AccuracyTooSmall {
    /// The accuracy of the configuration.
    pub claimed: Duration,
    /// The smallest that may be claimed.
    pub required: Duration,
    /// The most that the clock may be wrong by; zero where it is not known.
    pub clock_error_bound: Duration,
    /// The most that truncating genTime takes away.
    pub truncation: Duration,
    /// The most that passes between reading the clock and the signature.
    pub signing: Duration,
}

/// Checks that `claimed` covers the clock's error bound (`None` where nobody knows it), the truncation of genTime and
/// the time that signing takes.
///
/// # Errors
/// [`AccuracyTooSmall`] if it does not.
pub fn check_accuracy(
    claimed: Duration,
    clock_error_bound: Option<Duration>,
    truncation: Duration,
    signing: Duration,
) -> Result<AccuracyBasis, AccuracyTooSmall> {
    let known = clock_error_bound.unwrap_or(Duration::ZERO);
    let required = known.saturating_add(truncation).saturating_add(signing);
    if claimed < required {
        return Err(AccuracyTooSmall { claimed, required, clock_error_bound: known, truncation, signing });
    }
    Ok(match clock_error_bound {
        Some(_) => AccuracyBasis::Assured,
        None => AccuracyBasis::Unassured,
    })
}

/// A token whose signature came so late that genTime is older than the accuracy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the signature came too late: genTime is {age:?} old (clock error included), the token claims {accuracy:?}"
)]
pub struct TooLate {
    /// Since genTime, with the most that the clock may be wrong by.
    pub age: Duration,
    /// The accuracy that the token claims.
    pub accuracy: Duration,
}

/// Checks, once a token is signed, that its genTime is still within its accuracy of the time of its making.
///
/// # Errors
/// [`TooLate`] if it is not: the token must not leave.
pub fn check_age(
    gen_time: Duration,
    now: Duration,
    clock_error_bound: Option<Duration>,
    accuracy: Duration,
) -> Result<(), TooLate> {
    let age = now.saturating_sub(gen_time).saturating_add(clock_error_bound.unwrap_or_default());
    if age > accuracy { Err(TooLate { age, accuracy }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_late_signature_is_found_by_the_age_of_its_gen_time() {
        let seconds = Duration::from_secs;
        assert_eq!(check_age(seconds(10), seconds(12), None, seconds(2)), Ok(()));
        assert!(check_age(seconds(10), seconds(13), None, seconds(2)).is_err());
        let bound = Some(Duration::from_millis(500));
        assert!(check_age(seconds(10), seconds(12), bound, seconds(2)).is_err());
        // A clock that was set back meanwhile is the gate's to find.
        assert_eq!(check_age(seconds(10), seconds(9), None, seconds(2)), Ok(()));
    }

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn an_accuracy_equal_to_the_sum_may_be_claimed_and_a_microsecond_less_may_not() {
        let sum = MS(500 + 1 + 10);
        assert_eq!(check_accuracy(sum, Some(MS(500)), MS(1), MS(10)), Ok(AccuracyBasis::Assured));
        let less = sum - Duration::from_micros(1);
        let error = check_accuracy(less, Some(MS(500)), MS(1), MS(10)).expect_err("too small");
        assert_eq!(error.required, sum);
        assert_eq!(error.claimed, less);
        assert!(error.to_string().contains("511ms"), "{error}");
    }

    #[test]
    fn without_a_bound_truncation_and_signing_still_count() {
        assert_eq!(check_accuracy(MS(11), None, MS(1), MS(10)), Ok(AccuracyBasis::Unassured));
        assert!(check_accuracy(MS(10), None, MS(1), MS(10)).is_err());
    }
}
