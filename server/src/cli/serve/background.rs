//! What runs beside the requests: reload on SIGHUP, CRLs before they expire, expiry warnings, metrics.
//!
//! Two tasks, because a CA key that hangs in its token must not keep the metrics from telling of it.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{CARE_INTERVAL, METRICS_INTERVAL};
use crate::authority::Authority;
use crate::config::Config;
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::http::Tls;
use crate::metrics::Metrics;

/// Starts it; ends when the value is dropped.
pub(super) fn start(
    layout: Layout,
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
    hangup: Signal,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(publish(Arc::clone(&authority), metrics));
    tasks.spawn(care(layout, authority, tls, hangup));
    tasks
}

async fn publish(authority: Arc<Authority>, metrics: Arc<Metrics>) {
    let mut tick = interval(METRICS_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        authority.publish(&metrics);
    }
}

async fn care(layout: Layout, authority: Arc<Authority>, tls: Option<Arc<Tls>>, mut hangup: Signal) {
    let mut tick = interval(CARE_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                // The start has told the warnings already.
                look_after(&authority, !is_first).await;
                is_first = false;
            }
            received = hangup.recv() => {
                if received.is_none() {
                    return;
                }
                reload(&layout, &authority, tls.clone()).await;
            }
        }
    }
}

/// Issues CRLs that are due, and repeats the warnings.
async fn look_after(authority: &Arc<Authority>, warn: bool) {
    let authority = Arc::clone(authority);
    let work = move || {
        if let Err(error) = authority.reissue_crls() {
            tracing::error!(error = format!("{error:#}"), "a CRL could not be issued");
        }
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
async fn reload(layout: &Layout, authority: &Arc<Authority>, tls: Option<Arc<Tls>>) {
    let again = {
        let (layout, authority) = (layout.clone(), Arc::clone(authority));
        move || -> anyhow::Result<()> {
            let config = Config::load(&layout)?;
            if let Some(tls) = tls {
                tls.reload()?;
            }
            authority.reload(config)?;
            Ok(())
        }
    };
    let outcome = match tokio::task::spawn_blocking(again).await {
        Ok(outcome) => outcome,
        Err(error) => Err(error.into()),
    };
    let told = match &outcome {
        Ok(()) => {
            tracing::info!("reloaded");
            String::new()
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "not reloaded: the TSUs stay as they were");
            format!("{error:#}")
        }
    };
    // A number of its own for each, so that who waits sees that the file is new.
    let number = crate::clock::unix_time();
    let text = format!("{}.{:09} {told}\n", number.0, number.1);
    if let Err(error) = write_atomically(&layout.reload_file(), text.as_bytes(), FILE_MODE) {
        tracing::error!(%error, "cannot tell `attestamp reload` how it went");
    }
}
