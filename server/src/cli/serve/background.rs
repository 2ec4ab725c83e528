//! What runs beside the requests: reload on SIGHUP, CRLs before they expire, expiry warnings, metrics, checkpoints, signers
//! that wait for their tokens.
//!
//! Several tasks, because a CA key that hangs in its token must keep neither the metrics from telling of it, nor the ledger
//! from its checkpoints, nor a token that is asked for its time.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::reload::{REFUSED, RELOADED};
use super::{CARE_INTERVAL, METRICS_INTERVAL, RELOAD_PATIENCE, SIGNERS_INTERVAL, TOKEN_CLOCK_INTERVAL};
use crate::authority::Authority;
use crate::config::Config;
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::http::Tls;
use crate::ledger::keep_checkpoints;
use crate::metrics::Metrics;
use crate::service_manager::ServiceManager;

/// Starts it; ends when the value is dropped.
pub(super) fn start(
    layout: Layout,
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
    hangup: Signal,
) -> JoinSet<()> {
    // Once before anybody can ask: the first scrape has every value.
    authority.publish(&metrics);
    authority.publish_expiries(&metrics);
    let mut tasks = JoinSet::new();
    tasks.spawn(publish(Arc::clone(&authority), Arc::clone(&metrics)));
    if let Some(ledger) = authority.ledger() {
        tasks.spawn(keep_checkpoints(Arc::clone(ledger), Arc::clone(authority.clock())));
    }
    tasks.spawn(compare_token_clocks(Arc::clone(&authority)));
    tasks.spawn(begin_waiting_signers(Arc::clone(&authority)));
    tasks.spawn(care(layout, authority, metrics, tls, hangup));
    tasks
}

async fn publish(authority: Arc<Authority>, metrics: Arc<Metrics>) {
    let mut tick = interval(METRICS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let manager = ServiceManager::of_this_process();
    loop {
        tick.tick().await;
        authority.publish(&metrics);
        // Said where clock, pools and certificates were looked at: a server that cannot do that any more is not alive.
        manager.alive();
    }
}

/// A token that does not answer keeps one thread waiting, and no other.
async fn compare_token_clocks(authority: Arc<Authority>) {
    let mut tick = interval(TOKEN_CLOCK_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let authority = Arc::clone(&authority);
        if tokio::task::spawn_blocking(move || authority.compare_token_clocks()).await.is_err() {
            tracing::error!("the comparison with the tokens' clocks did not end");
        }
    }
}

async fn begin_waiting_signers(authority: Arc<Authority>) {
    let mut tick = interval(SIGNERS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let authority = Arc::clone(&authority);
        if tokio::task::spawn_blocking(move || authority.begin_waiting_signers()).await.is_err() {
            tracing::error!("looking for signers that wait for their tokens did not end");
        }
    }
}

async fn care(
    layout: Layout,
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
    mut hangup: Signal,
) {
    let mut tick = interval(CARE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                // The start has told the warnings already.
                look_after(&authority, &metrics, !is_first).await;
                is_first = false;
            }
            received = hangup.recv() => {
                if received.is_none() {
                    return;
                }
                reload(&layout, &authority, &metrics, tls.clone()).await;
            }
        }
    }
}

/// Issues CRLs that are due, and repeats the warnings.
async fn look_after(authority: &Arc<Authority>, metrics: &Arc<Metrics>, warn: bool) {
    let (authority, metrics) = (Arc::clone(authority), Arc::clone(metrics));
    let work = move || {
        if let Err(error) = authority.reissue_crls() {
            tracing::error!(error = format!("{error:#}"), "a CRL could not be issued");
        }
        authority.publish_expiries(&metrics);
        if warn {
            let readiness = authority.readiness();
            for note in readiness.reasons.iter().chain(&readiness.warnings) {
                tracing::warn!(tsu = note.tsu, code = note.code, "{}", note.detail);
            }
        }
    };
    if tokio::task::spawn_blocking(work).await.is_err() {
        tracing::error!("the hourly care did not end");
    }
}

/// Reads configuration, certificates and TLS files again; keeps what it has if anything in them is wrong. How it went
/// stands in the log and, for `attestamp reload`, in a file.
async fn reload(layout: &Layout, authority: &Arc<Authority>, metrics: &Arc<Metrics>, tls: Option<Arc<Tls>>) {
    let again = {
        let (layout, authority, metrics) = (layout.clone(), Arc::clone(authority), Arc::clone(metrics));
        move || -> anyhow::Result<Vec<&'static str>> {
            let config = Config::load(&layout)?;
            if let Some(tls) = tls {
                tls.reload()?;
            }
            authority.reload(config)?;
            authority.publish(&metrics);
            authority.publish_expiries(&metrics);
            Ok(authority.needing_restart())
        }
    };
    let outcome = match timeout(RELOAD_PATIENCE, tokio::task::spawn_blocking(again)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(anyhow::anyhow!(
            "a token has not answered for {} s: see to it; what was configured is taken over when it answers",
            RELOAD_PATIENCE.as_secs()
        )),
    };
    let told = match &outcome {
        Ok(waiting) if waiting.is_empty() => {
            tracing::info!("reloaded");
            RELOADED.to_owned()
        }
        Ok(waiting) => {
            let settings = waiting.join(", ");
            tracing::warn!(settings, "reloaded, but for settings that only a start takes");
            format!("{RELOADED} {settings}")
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "not reloaded: the TSUs stay as they were");
            format!("{REFUSED} {error:#}")
        }
    };
    // A number of its own for each, so that who waits sees that the file is new.
    let number = crate::clock::unix_time();
    let text = format!("{}.{:09} {told}\n", number.0, number.1);
    if let Err(error) = write_atomically(&layout.reload_file(), text.as_bytes(), FILE_MODE) {
        tracing::error!(%error, "cannot tell `attestamp reload` how it went");
    }
}
