//! What runs beside the requests: reload on SIGHUP, CRLs before they expire, expiry warnings, metrics.

use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::{CARE_INTERVAL, METRICS_INTERVAL};
use crate::authority::Authority;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::http::Tls;
use crate::metrics::Metrics;

/// Starts it; ends when aborted.
pub(super) fn start(
    layout: Layout,
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
    mut hangup: Signal,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut metrics_tick = interval(METRICS_INTERVAL);
        let mut care_tick = interval_at(Instant::now() + CARE_INTERVAL, CARE_INTERVAL);
        metrics_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        care_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = metrics_tick.tick() => authority.publish(&metrics),
                _ = care_tick.tick() => care(&authority).await,
                received = hangup.recv() => {
                    if received.is_none() {
                        return;
                    }
                    reload(&layout, &authority, tls.as_deref()).await;
                    authority.publish(&metrics);
                }
            }
        }
    })
}

/// Issues CRLs that are due and repeats the warnings, hourly.
async fn care(authority: &Arc<Authority>) {
    let authority = Arc::clone(authority);
    let work = move || {
        if let Err(error) = authority.reissue_crls() {
            tracing::error!(error = format!("{error:#}"), "a CRL could not be issued");
        }
        let readiness = authority.readiness();
        for note in readiness.reasons.iter().chain(&readiness.warnings) {
            tracing::warn!(tsu = note.tsu, code = note.code, "{}", note.detail);
        }
    };
    if tokio::task::spawn_blocking(work).await.is_err() {
        tracing::error!("the hourly care did not end");
    }
}

/// Reads configuration, certificates and TLS files again; keeps what it has if anything in them is wrong.
async fn reload(layout: &Layout, authority: &Arc<Authority>, tls: Option<&Tls>) {
    let again = {
        let (layout, authority) = (layout.clone(), Arc::clone(authority));
        move || -> anyhow::Result<()> {
            let config = Config::load(&layout)?;
            authority.reload(config)?;
            Ok(())
        }
    };
    let outcome = match tokio::task::spawn_blocking(again).await {
        Ok(outcome) => outcome,
        Err(error) => Err(error.into()),
    };
    let outcome = outcome.and_then(|()| tls.map_or(Ok(()), |tls| tls.reload().map_err(Into::into)));
    match outcome {
        Ok(()) => tracing::info!("reloaded"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "not reloaded: all stays as it was"),
    }
}
