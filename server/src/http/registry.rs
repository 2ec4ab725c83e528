//! The open connections: how many, whose, and which must make room.
//!
//! A lock taken when a connection opens and closes, never by a request. Idle connections cannot starve others: when the
//! cap is reached, the longest waiting one of a random sample is closed in favour of the newcomer.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{activity::Activity, address::AddressGroup};

/// Connections looked at to find one that may make room.
const SAMPLE: usize = 32;

/// Connections told to make room that have not gone yet; past this, newcomers are refused.
const LEAVING: usize = 64;

/// A connection that has been waiting for less is not closed for another.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// All open connections of a server.
#[derive(Debug)]
pub(crate) struct Registry {
    capacity: usize,
    per_address: Option<usize>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    count: usize,
    leaving: usize,
    by_address: HashMap<AddressGroup, usize>,
    is_draining: bool,
    draws: u64,
    random: RandomState,
}

#[derive(Debug)]
struct Slot {
    address: AddressGroup,
    activity: Arc<Activity>,
    /// Taken when the connection is told to stop.
    stop: Option<oneshot::Sender<Stop>>,
    is_leaving: bool,
}

/// Why a connection is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server stops: finish what is in flight.
    Drain,
    /// Make room for another: close now.
    Evict,
}

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// All slots are taken by connections with requests in flight.
    Capacity,
    /// This address has as many connections as it may.
    Address,
    /// The server is stopping.
    Stopping,
}

/// A place among the open connections, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    index: usize,
}

impl Registry {
    pub(crate) fn new(capacity: usize, per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { capacity: capacity.max(1), per_address, open: Mutex::default() })
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().count
    }

    /// Admits a connection; true if another one was told to make room.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: AddressGroup,
        activity: &Arc<Activity>,
    ) -> Result<(Place, oneshot::Receiver<Stop>, bool), NotAdmitted> {
        let mut open = self.lock();
        if open.is_draining {
            return Err(NotAdmitted::Stopping);
        }
        let of_address = open.by_address.get(&address).copied().unwrap_or(0);
        if self.per_address.is_some_and(|limit| of_address >= limit) {
            return Err(NotAdmitted::Address);
        }
        let evicts = open.count.saturating_sub(open.leaving) >= self.capacity;
        if evicts && !open.evict_one() {
            return Err(NotAdmitted::Capacity);
        }
        let (stop, stopped) = oneshot::channel();
        let slot = Slot { address, activity: Arc::clone(activity), stop: Some(stop), is_leaving: false };
        let index = open.insert(slot);
        drop(open);
        Ok((Place { registry: Arc::clone(self), index }, stopped, evicts))
    }

    /// Asks every connection to finish, and admits no more.
    pub(crate) fn drain(&self) {
        let mut open = self.lock();
        open.is_draining = true;
        for slot in open.slots.iter_mut().flatten() {
            if let Some(stop) = slot.stop.take() {
                // A connection that is gone already needs no telling.
                let _ = stop.send(Stop::Drain);
            }
        }
    }

    fn release(&self, index: usize) {
        let mut open = self.lock();
        let Some(slot) = open.slots.get_mut(index).and_then(Option::take) else { return };
        open.free.push(index);
        open.count -= 1;
        open.leaving -= usize::from(slot.is_leaving);
        if let Some(count) = open.by_address.get_mut(&slot.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&slot.address);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing in here panics half-way; a poisoned count is still the count.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn insert(&mut self, slot: Slot) -> usize {
        *self.by_address.entry(slot.address).or_default() += 1;
        self.count += 1;
        if let Some(index) = self.free.pop()
            && let Some(place) = self.slots.get_mut(index)
        {
            *place = Some(slot);
            return index;
        }
        self.slots.push(Some(slot));
        self.slots.len() - 1
    }

    /// Tells the longest waiting connection of a sample to close.
    fn evict_one(&mut self) -> bool {
        if self.leaving >= LEAVING {
            return false;
        }
        let mut longest: Option<(Duration, usize)> = None;
        for _ in 0..SAMPLE {
            let index = self.draw();
            let Some(Some(slot)) = self.slots.get(index) else { continue };
            let Some(waited) = slot.activity.waiting_for() else { continue };
            let is_longest = longest.is_none_or(|(longest, _)| waited > longest);
            if slot.stop.is_some() && waited >= SHORTEST_WAIT && is_longest {
                longest = Some((waited, index));
            }
        }
        let Some((_, index)) = longest else { return false };
        let Some(Some(slot)) = self.slots.get_mut(index) else { return false };
        slot.is_leaving = true;
        self.leaving += 1;
        slot.stop.take().is_some_and(|stop| stop.send(Stop::Evict).is_ok())
    }

    fn draw(&mut self) -> usize {
        self.draws = self.draws.wrapping_add(1);
        let slots = u64::try_from(self.slots.len()).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.random.hash_one(self.draws) % slots).unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.release(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: AddressGroup = AddressGroup::V4(1);

    #[test]
    fn the_cap_holds_while_requests_are_in_flight() {
        let registry = Registry::new(2, None);
        let activities = [Arc::new(Activity::new()), Arc::new(Activity::new())];
        let _busy = activities.each_ref().map(Activity::begin);
        let _places = activities.each_ref().map(|activity| registry.admit(ADDRESS, activity).unwrap());
        let refused = registry.admit(ADDRESS, &Arc::new(Activity::new()));
        assert_eq!(refused.unwrap_err(), NotAdmitted::Capacity);
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn places_are_given_back_and_used_again() {
        let registry = Registry::new(8, Some(1));
        for _ in 0..100 {
            let (place, ..) = registry.admit(ADDRESS, &Arc::new(Activity::new())).unwrap();
            let second = registry.admit(ADDRESS, &Arc::new(Activity::new()));
            assert_eq!(second.unwrap_err(), NotAdmitted::Address);
            drop(place);
        }
        assert_eq!(registry.len(), 0);
        assert_eq!(registry.lock().slots.len(), 1);
        assert!(registry.lock().by_address.is_empty());
    }

    #[test]
    fn draining_reaches_every_connection_and_admits_no_more() {
        let registry = Registry::new(8, None);
        let (_first, mut first_stopped, _) = registry.admit(ADDRESS, &Arc::new(Activity::new())).unwrap();
        let (_second, mut second_stopped, _) = registry.admit(ADDRESS, &Arc::new(Activity::new())).unwrap();
        registry.drain();
        assert_eq!(first_stopped.try_recv(), Ok(Stop::Drain));
        assert_eq!(second_stopped.try_recv(), Ok(Stop::Drain));
        let late = registry.admit(ADDRESS, &Arc::new(Activity::new()));
        assert_eq!(late.unwrap_err(), NotAdmitted::Stopping);
    }
}
