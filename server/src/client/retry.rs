//! When to ask again, and how long to wait before.
//!
//! All addresses are asked in order, then all once more after a pause, and so on. The pause doubles each time up to a
//! ceiling, and half of it is random, so that many clients which failed together do not come back together. A server's
//! `Retry-After` holds for that server alone: its neighbours are still asked.

use std::future::Future;
use std::time::Duration;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that is chosen here.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is obeyed; a server that asks for more is given up.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It may pass: the same address may be asked again, not before the wait that the server asked for.
    AskAgain {
        /// From `Retry-After`.
        wait: Option<Duration>,
    },
    /// This address will answer the same again; another may not.
    AskElsewhere,
    /// The request itself is refused, and would be by any server that works as this one does.
    GiveUp,
}

/// How pauses are made: really, or only counted in a test.
pub trait Pause {
    /// Waits for `duration`.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Pauses by the runtime's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPause;

impl Pause for RealPause {
    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The pause before round `round` (1 is the first repetition), where `random` is uniform over all of `u32`.
///
/// Between half of and the whole exponential value ("equal jitter").
#[must_use]
pub fn back_off(round: u32, random: u32) -> Duration {
    let factor = 2_u32.checked_pow(round.saturating_sub(1)).unwrap_or(u32::MAX);
    let whole = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    let half = whole / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// The addresses that may still be asked, and how long each has to be left alone.
#[derive(Debug)]
pub struct Schedule {
    /// By position of the address; `None` when it is given up.
    remaining_waits: Vec<Option<Duration>>,
}

impl Schedule {
    /// All of `addresses` addresses may be asked at once.
    #[must_use]
    pub fn new(addresses: usize) -> Self {
        Self { remaining_waits: vec![Some(Duration::ZERO); addresses] }
    }

    /// The positions of the addresses that may be asked now.
    #[must_use]
    pub fn due(&self) -> Vec<usize> {
        let due = |(position, wait): (usize, &Option<Duration>)| {
            wait.is_some_and(|w| w.is_zero()).then_some(position)
        };
        self.remaining_waits.iter().enumerate().filter_map(due).collect()
    }

    /// Notes what became of the address at `position`.
    pub fn note(&mut self, position: usize, remedy: Remedy) {
        let Some(slot) = self.remaining_waits.get_mut(position) else { return };
        *slot = match remedy {
            Remedy::AskAgain { wait } => {
                Some(wait.unwrap_or_default()).filter(|wait| *wait <= LONGEST_RETRY_AFTER)
            }
            Remedy::AskElsewhere | Remedy::GiveUp => None,
        };
    }

    /// How long to pause so that at least one address is due; `None` when no address is left.
    #[must_use]
    pub fn pause(&self, back_off: Duration) -> Option<Duration> {
        let earliest = self.remaining_waits.iter().flatten().min()?;
        Some(back_off.max(*earliest))
    }

    /// Notes that this much time has passed.
    pub fn passed(&mut self, pause: Duration) {
        for wait in self.remaining_waits.iter_mut().flatten() {
            *wait = wait.saturating_sub(pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_a_ceiling_and_half_is_random() {
        assert_eq!(back_off(1, 0), FIRST_PAUSE / 2);
        assert_eq!(back_off(1, u32::MAX), FIRST_PAUSE);
        assert_eq!(back_off(3, u32::MAX), FIRST_PAUSE * 4);
        assert_eq!(back_off(40, u32::MAX), LONGEST_PAUSE);
        assert_eq!(back_off(u32::MAX, 0), LONGEST_PAUSE / 2);
        assert!(back_off(2, 1 << 30) > back_off(2, 0));
    }

    #[test]
    fn a_server_that_asks_for_time_is_left_alone_while_its_neighbour_is_asked() {
        let mut schedule = Schedule::new(2);
        assert_eq!(schedule.due(), [0, 1]);
        schedule.note(0, Remedy::AskAgain { wait: Some(SECOND * 10) });
        schedule.note(1, Remedy::AskAgain { wait: None });
        let pause = schedule.pause(SECOND).unwrap();
        assert_eq!(pause, SECOND);
        schedule.passed(pause);
        assert_eq!(schedule.due(), [1]);
        schedule.passed(SECOND * 9);
        assert_eq!(schedule.due(), [0, 1]);
    }

    #[test]
    fn a_lone_server_is_given_the_time_it_asks_for() {
        let mut schedule = Schedule::new(1);
        schedule.note(0, Remedy::AskAgain { wait: Some(SECOND * 10) });
        assert_eq!(schedule.pause(SECOND), Some(SECOND * 10));
    }

    #[test]
    fn nobody_is_left_after_final_answers_and_excessive_waits() {
        let mut schedule = Schedule::new(2);
        schedule.note(0, Remedy::AskElsewhere);
        assert_eq!(schedule.due(), [1]);
        schedule.note(1, Remedy::AskAgain { wait: Some(LONGEST_RETRY_AFTER + SECOND) });
        assert_eq!(schedule.pause(SECOND), None);
    }
}
