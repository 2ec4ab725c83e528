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
        // A server that did not run for long has old CRLs; warnings were given at its start.
        care(&authority, reissue_crls).await;
        metrics_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        care_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = metrics_tick.tick() => authority.publish(&metrics),
                _ = care_tick.tick() => {
                    care(&authority, reissue_crls).await;
                    care(&authority, warn).await;
                }
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

/// Does it away from the runtime's threads: tokens and disks may take their time.
async fn care(authority: &Arc<Authority>, what: fn(&Authority)) {
    let authority = Arc::clone(authority);
    if tokio::task::spawn_blocking(move || what(&authority)).await.is_err() {
        tracing::error!("the care for CRLs and warnings did not end");
    }
}

/// Issues CRLs that are due.
fn reissue_crls(authority: &Authority) {
    if let Err(error) = authority.reissue_crls() {
        tracing::error!(error = format!("{error:#}"), "a CRL could not be issued");
    }
}

/// Repeats the warnings.
fn warn(authority: &Authority) {
    let readiness = authority.readiness();
    for note in readiness.reasons.iter().chain(&readiness.warnings) {
        tracing::warn!(tsu = note.tsu, code = note.code, "{}", note.detail);
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
