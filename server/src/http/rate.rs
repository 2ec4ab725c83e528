//! Requests per address and second, in memory that does not grow.
//!
//! The generic cell rate algorithm in a fixed table of atomics. An address falls on two cells chosen by a hash that is
//! secret to this run, and passes if either has room: addresses that share one cell with a flood keep the other. A map
//! keyed by address would need a lock, a sweep, and a bound that a /32 of IPv6 reaches in a minute.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{address::AddressGroup, limits::AddressRate};

/// Cells for requests that few clients make; 32 KiB.
const FEW_CELLS: usize = 1 << 12;

/// Cells; two tables' worth of addresses before sharing becomes likely. 512 KiB.
const CELLS: usize = 1 << 16;

/// The limiter. Times are durations since a fixed moment, chosen by the caller.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    cells: Box<[AtomicU64]>,
    hashes: [RandomState; 2],
    /// Nanoseconds that one request costs.
    interval: u64,
    /// Nanoseconds that an address may be ahead of its rate.
    tolerance: u64,
}

impl RateLimiter {
    pub(crate) fn new(rate: AddressRate) -> Self {
        Self::every(1_000_000_000 / u64::from(rate.requests_per_second.max(1)), rate.burst, CELLS)
    }

    /// For requests that are counted by the minute, a minute's worth of which may come at once.
    pub(crate) fn per_minute(requests: u32) -> Self {
        Self::every(60_000_000_000 / u64::from(requests.max(1)), requests, FEW_CELLS)
    }

    fn every(interval: u64, burst: u32, cells: usize) -> Self {
        Self {
            cells: (0..cells).map(|_| AtomicU64::new(0)).collect(),
            hashes: [RandomState::new(), RandomState::new()],
            interval,
            tolerance: interval * u64::from(burst.max(1) - 1),
        }
    }

    /// Takes one request of this address, or says after how many whole seconds there will be room.
    pub(crate) fn take(&self, address: AddressGroup, now: Duration) -> Result<(), u32> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut shortest = u64::MAX;
        // Both cells pay, so that an address alone on its cells gets its rate and not twice that.
        for hash in &self.hashes {
            let Some(cell) = self.cell(hash.hash_one(address)) else { continue };
            match self.take_from(cell, now) {
                Ok(()) => shortest = 0,
                Err(nanoseconds) => shortest = shortest.min(nanoseconds),
            }
        }
        if shortest == 0 {
            return Ok(());
        }
        Err(u32::try_from(shortest.div_ceil(1_000_000_000)).unwrap_or(u32::MAX).max(1))
    }

    fn cell(&self, hash: u64) -> Option<&AtomicU64> {
        let index = usize::try_from(hash % u64::try_from(self.cells.len()).ok()?).ok()?;
        self.cells.get(index)
    }

    /// One cell holds the moment up to which its budget is spent (the theoretical arrival time).
    fn take_from(&self, cell: &AtomicU64, now: u64) -> Result<(), u64> {
        let step = |spent_until: u64| {
            let ahead = spent_until.saturating_sub(now);
            (ahead <= self.tolerance).then(|| spent_until.max(now).saturating_add(self.interval))
        };
        // Relaxed: the cell is the whole state.
        match cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(_) => Ok(()),
            Err(spent_until) => Err(spent_until.saturating_sub(now).saturating_sub(self.tolerance).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: AddressGroup = AddressGroup::V4(1);

    fn limiter() -> RateLimiter {
        RateLimiter::new(AddressRate { requests_per_second: 10, burst: 3 })
    }

    fn taken(limiter: &RateLimiter, address: AddressGroup, now: Duration, attempts: usize) -> usize {
        (0..attempts).filter(|_| limiter.take(address, now).is_ok()).count()
    }

    #[test]
    fn a_flood_gets_its_burst_and_then_its_rate() {
        let limiter = limiter();
        assert_eq!(taken(&limiter, ADDRESS, Duration::ZERO, 100), 3);
        assert_eq!(limiter.take(ADDRESS, Duration::ZERO), Err(1));
        assert_eq!(taken(&limiter, ADDRESS, Duration::from_millis(100), 100), 1);
    }

    #[test]
    fn room_comes_back() {
        let limiter = limiter();
        taken(&limiter, ADDRESS, Duration::ZERO, 100);
        assert_eq!(limiter.take(ADDRESS, Duration::from_millis(100)), Ok(()));
    }

    #[test]
    fn others_keep_their_budget_beside_a_flood() {
        let limiter = limiter();
        taken(&limiter, ADDRESS, Duration::ZERO, 100);
        let served = (2..1000).filter(|other| limiter.take(AddressGroup::V4(*other), Duration::ZERO).is_ok());
        assert!(served.count() >= 990);
    }

    #[test]
    fn the_state_does_not_grow() {
        let limiter = limiter();
        for network in 0..200_000 {
            let _ = limiter.take(AddressGroup::V6Network(network), Duration::ZERO);
        }
        assert_eq!(limiter.cells.len(), CELLS);
    }

    #[test]
    fn the_wait_is_stated_in_seconds() {
        let limiter = RateLimiter::new(AddressRate { requests_per_second: 1, burst: 1 });
        taken(&limiter, ADDRESS, Duration::ZERO, 10);
        assert_eq!(limiter.take(ADDRESS, Duration::ZERO), Err(1));
    }
}
