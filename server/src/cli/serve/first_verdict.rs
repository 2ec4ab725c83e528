//! The wait for the time servers at a start, where assurance is asked for (F8): no address is told before they have
//! spoken, and a server that would refuse every request does not start.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::clock::{ClockGate, ClockRefusal, ServerReport};

/// As long as a few questions and a slow resolver take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until a majority of the time servers agrees; at once where none is configured or nobody vouches for the time.
///
/// # Errors
/// What the servers say instead.
pub(super) fn wait(clock: &ClockGate) -> anyhow::Result<()> {
    let Some(network) = clock.network().filter(|_| clock.config().mode.is_assured()) else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    let (mut questions, mut told) = (0, None);
    loop {
        clock.refresh();
        let snapshot = clock.snapshot();
        let reading = snapshot.network.context("the time servers are not asked")?;
        if told != Some(reading.answered) {
            told = Some(reading.answered);
            tracing::info!(
                "waiting for the time servers: {} of {} have answered, {} must agree",
                reading.answered,
                reading.asked,
                reading.required
            );
        }
        let refusal = snapshot.refusals.into_iter().find(ClockRefusal::is_about_servers);
        if reading.agreement.is_some() || (refusal.is_none() && network.has_asked_all()) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let words: Vec<_> = network.reports().iter().map(ServerReport::words).collect();
            match refusal {
                Some(refusal) => bail!("{refusal} ({})", words.join("; ")),
                None => return Ok(()),
            }
        }
        questions = network.wait_for_answers(questions, deadline);
    }
}
