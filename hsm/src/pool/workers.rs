//! The threads of [`super::Dispatch::Threads`], one for each session.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};

use super::core::Core;
use super::lease::Signature;
use super::refusal::SignError;
use crate::error::HsmError;

/// A request in the queue.
pub(crate) struct Job {
    pub(crate) message: Vec<u8>,
    pub(crate) asked: Instant,
    pub(crate) done: Box<dyn FnOnce(Result<Signature, SignError>) + Send>,
}

pub(crate) fn start(
    number: usize,
    core: Arc<Core>,
    jobs: Receiver<Job>,
    alive: Sender<()>,
) -> Result<(), HsmError> {
    let thread = std::thread::Builder::new().name(format!("sign-{number}"));
    let body = move || {
        for job in jobs {
            core.worker_begins(number);
            let signed = answer(&core, &job);
            core.worker_ends(number);
            // A callback that panics must not take the session's thread with it.
            drop(catch_unwind(AssertUnwindSafe(|| (job.done)(signed))));
        }
        drop(alive);
    };
    thread.spawn(body).map(drop).map_err(HsmError::Thread)
}

fn answer(core: &Core, job: &Job) -> Result<Signature, SignError> {
    if core.is_stopping.load(Ordering::Relaxed) {
        return Err(SignError::Stopped);
    }
    let waited = job.asked.elapsed();
    if waited > core.config.deadline {
        core.counters.expired.fetch_add(1, Ordering::Relaxed);
        return Err(SignError::DeadlinePassed { waited, deadline: core.config.deadline });
    }
    core.sign(&job.message)
}
