//! Serial numbers: where their parts come from. The layout is `tsa`'s ([`Serial`]): six octets drawn at each start, a
//! counter of eight, six octets drawn for each token.
//!
//! No disk and no coordination (RFC 3161 §2.4.2: unique per TSA, also after a crash). What each part is for:
//! - Within one process the counter never repeats. It is one atomic addition, so threads need no lock.
//! - After a crash or a restart, and on another node, the octets drawn at the start are others.
//! - A machine cloned or set back to a snapshot *while the process runs* has the same start and the same counter twice.
//!   The octets drawn for the token are all that tells those apart, so they must come from the kernel at that moment: a
//!   pool kept in this process, per thread or not, would be cloned with it. The price is one `getrandom(2)` a token
//!   (`strace -f -c -e trace=getrandom` on a server under `attestamp bench` counts and times them); glibc 2.41 on Linux
//!   6.11 answers it without a system call, from state that the kernel invalidates after a snapshot.
//!
//! Limit: where the hypervisor does not tell the guest that it was cloned (VMGENID), two clones share the kernel's
//! random state until its next reseed. Nothing in a process can see that.

use std::sync::atomic::{AtomicU64, Ordering};

use attestamp_tsa::{Serial, SerialPrefix};
use thiserror::Error;

/// Gives a serial number to each token of this process. One for all TSUs.
#[derive(Debug)]
pub struct SerialSource {
    prefix: SerialPrefix,
    counter: AtomicU64,
}

/// No serial number can be given: a fault of ours, which a client learns as systemFailure (A1.9).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SerialError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness {
        /// The system's error.
        source: getrandom::Error,
    },
    /// 2⁶⁴ − 1 tokens since the start.
    #[error("all serial numbers of this start are used: restart the server")]
    Exhausted,
}

impl SerialSource {
    /// A source with a start of its own.
    ///
    /// # Errors
    /// [`SerialError::NoRandomness`].
    pub fn new() -> Result<Self, SerialError> {
        Ok(Self { prefix: SerialPrefix::from_random(random_octets()?), counter: AtomicU64::new(0) })
    }

    /// The next serial number. No lock.
    ///
    /// # Errors
    /// [`SerialError`]; no number is given twice after one.
    pub fn next(&self) -> Result<Serial, SerialError> {
        let random = random_octets()?;
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        if counter == u64::MAX {
            // Put back, so that the next call fails as well and does not begin again at zero.
            self.counter.store(u64::MAX, Ordering::Relaxed);
            return Err(SerialError::Exhausted);
        }
        Ok(Serial::new(self.prefix, counter, random))
    }
}

fn random_octets() -> Result<[u8; 6], SerialError> {
    let mut octets = [0; 6];
    getrandom::fill(&mut octets).map_err(|source| SerialError::NoRandomness { source })?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn eight_threads_get_unique_positive_serials_of_twenty_octets() {
        const THREADS: usize = 8;
        const EACH: usize = 5_000;
        let source = SerialSource::new().expect("random numbers");
        let serials: Vec<Serial> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| (0..EACH).map(|_| source.next().expect("a serial")).collect::<Vec<_>>())
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("joined")).collect()
        });
        assert_eq!(serials.len(), THREADS * EACH);
        assert!(serials.iter().all(|serial| (0x40..0x80).contains(&serial.as_bytes()[0])));
        assert_eq!(serials.iter().collect::<HashSet<_>>().len(), THREADS * EACH);
        // The counter alone makes them unique, whatever the random octets are.
        let counters: HashSet<_> = serials.iter().map(|serial| serial.as_bytes()[6..14].to_vec()).collect();
        assert_eq!(counters.len(), THREADS * EACH);
    }

    #[test]
    fn two_starts_have_different_prefixes() {
        let first = SerialSource::new().expect("random numbers").next().expect("a serial");
        let second = SerialSource::new().expect("random numbers").next().expect("a serial");
        assert_ne!(first.as_bytes()[..6], second.as_bytes()[..6]);
    }

    /// A clone or a restored snapshot of a running process: the same start, the same counter.
    #[test]
    fn a_cloned_process_gives_other_serials() {
        let original = SerialSource::new().expect("random numbers");
        let clone = SerialSource { prefix: original.prefix, counter: AtomicU64::new(0) };
        let of = |source: &SerialSource| {
            (0..1_000).map(|_| source.next().expect("a serial")).collect::<HashSet<_>>()
        };
        assert!(of(&original).is_disjoint(&of(&clone)));
    }

    #[test]
    fn an_exhausted_counter_refuses_and_does_not_begin_again() {
        let source =
            SerialSource { prefix: SerialPrefix::from_random([0; 6]), counter: AtomicU64::new(u64::MAX - 1) };
        assert!(source.next().is_ok());
        assert_eq!(source.next(), Err(SerialError::Exhausted));
        assert_eq!(source.next(), Err(SerialError::Exhausted));
    }
}
