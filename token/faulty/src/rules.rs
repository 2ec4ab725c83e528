//! What the module has been told to do, and what it has seen: plain state, without a pointer in it.
//!
//! Every call asks [`State::plan`] under one lock; what takes time (a delay, a stall) is done outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki_sys::{CKR_DEVICE_REMOVED, CKR_SESSION_HANDLE_INVALID, CKR_TOKEN_NOT_PRESENT};

/// What a call is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Nothing that can be lost.
    Module,
    /// A slot.
    Slot(u64),
    /// A session.
    Session(u64),
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One octet too few.
    Short,
    /// One octet too many.
    Long,
    /// No octet at all.
    Empty,
    /// The right length, all zero.
    Zero,
    /// The right length, and no signature of what was to be signed.
    Garbage,
}

/// What the clock of a token shows: `YYYYMMDDhhmmss00` (PKCS#11 v3.2 §3.2, utcTime).
pub(crate) type ClockText = [u8; 16];

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It returns this code.
    Return(u64),
    /// It takes at least so long.
    Takes(Duration),
    /// It hangs until it is released, and goes on then.
    Stall,
    /// Its signature is not what it should be.
    Signature(Form),
    /// It hangs until it is released, and its signature is not what it should be.
    StallThenSignature(Form),
    /// The token says that it has a clock, and that it shows this.
    Clock(ClockText),
}

/// One command about one function.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) function: String,
    pub(crate) action: Action,
    /// So many calls are passed on first.
    pub(crate) after: u64,
    /// For so many calls; `None` for all.
    pub(crate) count: Option<u64>,
    /// On this slot alone.
    pub(crate) slot: Option<u64>,
    /// Only where it is the session's first call of the function.
    pub(crate) is_for_first: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) rules: Vec<Rule>,
    calls: BTreeMap<&'static str, u64>,
    /// Open sessions and their slots.
    pub(crate) sessions: BTreeMap<u64, u64>,
    /// Which functions were called on which open sessions.
    called: BTreeSet<(u64, &'static str)>,
    lost: BTreeSet<u64>,
    pub(crate) removed: BTreeSet<u64>,
    pub(crate) stalled: u64,
    /// Counts the times that stalls were ended.
    pub(crate) releases: u64,
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();

/// Looks at the state at a call. Wakes nobody, which would cost every call of a healthy module a system call.
pub(crate) fn at_call<T>(action: impl FnOnce(&mut State) -> T) -> T {
    action(locked().get_or_insert_default())
}

/// Changes the state, and wakes who waits for that.
pub(crate) fn with<T>(action: impl FnOnce(&mut State) -> T) -> T {
    let mut state = locked();
    let done = action(state.get_or_insert_default());
    drop(state);
    CHANGED.notify_all();
    done
}

/// Waits until the state is so.
pub(crate) fn wait_until(is_so: impl Fn(&State) -> bool) {
    let mut state = locked();
    while !is_so(state.get_or_insert_default()) {
        state = CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

fn locked() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// What becomes of this call, which is counted.
    pub(crate) fn plan(&mut self, function: &'static str, subject: Subject) -> Option<Action> {
        *self.calls.entry(function).or_default() += 1;
        let slot = match subject {
            Subject::Module => None,
            Subject::Slot(slot) => Some(slot),
            Subject::Session(session) if self.lost.contains(&session) => {
                return Some(Action::Return(CKR_SESSION_HANDLE_INVALID));
            }
            Subject::Session(session) => self.sessions.get(&session).copied(),
        };
        if slot.is_some_and(|slot| self.removed.contains(&slot)) {
            let code =
                if matches!(subject, Subject::Slot(_)) { CKR_TOKEN_NOT_PRESENT } else { CKR_DEVICE_REMOVED };
            return Some(Action::Return(code));
        }
        let is_first = match subject {
            Subject::Session(session) => self.called.insert((session, function)),
            Subject::Module | Subject::Slot(_) => false,
        };
        let concerns = |rule: &Rule| {
            (rule.function == function || rule.function == "*")
                && rule.slot.is_none_or(|wanted| slot == Some(wanted))
                && (is_first || !rule.is_for_first)
        };
        let mut action = None;
        for rule in self.rules.iter_mut().filter(|rule| concerns(rule)) {
            if rule.after > 0 {
                rule.after -= 1;
            } else if action.is_none() && rule.count != Some(0) {
                rule.count = rule.count.map(|count| count - 1);
                action = Some(rule.action);
            }
        }
        self.rules.retain(|rule| rule.count != Some(0));
        action
    }

    /// Whether the next signature of this session is to be one octet longer, of which its length must speak first.
    pub(crate) fn is_long_next(&self, session: u64) -> bool {
        let slot = self.sessions.get(&session).copied();
        let is_first = !self.called.contains(&(session, "C_Sign"));
        let first = self.rules.iter().find(|rule| {
            rule.function == "C_Sign"
                && rule.after == 0
                && rule.slot.is_none_or(|wanted| slot == Some(wanted))
                && (is_first || !rule.is_for_first)
        });
        first.is_some_and(|rule| rule.action == Action::Signature(Form::Long))
    }

    pub(crate) fn opened(&mut self, session: u64, slot: u64) {
        self.forget(session);
        self.sessions.insert(session, slot);
    }

    pub(crate) fn closed(&mut self, session: u64) {
        self.sessions.remove(&session);
        self.forget(session);
    }

    fn forget(&mut self, session: u64) {
        self.lost.remove(&session);
        self.called.retain(|(known, _)| *known != session);
    }

    pub(crate) fn closed_all_of(&mut self, slot: Option<u64>) {
        self.sessions.retain(|_, of| slot.is_some_and(|slot| *of != slot));
    }

    /// Makes the handles of sessions invalid, of one slot or all, and of those so many with the highest numbers or all; the
    /// real ones are to be closed.
    pub(crate) fn lose(&mut self, slot: Option<u64>, count: Option<u64>) -> Vec<u64> {
        let concerned = |of: &u64| slot.is_none_or(|slot| *of == slot);
        let highest_first = self.sessions.iter().rev().filter(|(_, of)| concerned(of));
        let count = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let lost: Vec<u64> = highest_first.map(|(session, _)| *session).take(count).collect();
        self.sessions.retain(|session, _| !lost.contains(session));
        self.called.retain(|(session, _)| !lost.contains(session));
        self.lost.extend(&lost);
        lost
    }

    pub(crate) fn calls(&self, function: &str) -> u64 {
        self.calls.get(function).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(function: &str, action: Action, after: u64, count: Option<u64>, slot: Option<u64>) -> Rule {
        Rule { function: function.to_owned(), action, after, count, slot, is_for_first: false }
    }

    #[test]
    fn a_rule_holds_for_its_function_after_so_many_calls_and_for_so_many() {
        let mut state = State::default();
        state.rules.push(rule("C_Sign", Action::Return(0x30), 1, Some(2), None));
        let mut plan = |function| state.plan(function, Subject::Module);
        assert_eq!(plan("C_SignInit"), None);
        let planned = [plan("C_Sign"), plan("C_Sign"), plan("C_Sign"), plan("C_Sign")];
        assert_eq!(planned, [None, Some(Action::Return(0x30)), Some(Action::Return(0x30)), None]);
        assert_eq!(state.calls("C_Sign"), 4);
    }

    #[test]
    fn a_rule_for_a_slot_leaves_the_others_alone() {
        let mut state = State::default();
        state.opened(1, 10);
        state.opened(2, 20);
        state.rules.push(rule("*", Action::Stall, 0, None, Some(10)));
        assert_eq!(state.plan("C_Sign", Subject::Session(1)), Some(Action::Stall));
        assert_eq!(state.plan("C_Sign", Subject::Session(2)), None);
    }

    #[test]
    fn a_rule_for_first_calls_holds_once_for_each_session_and_again_for_one_that_was_opened_anew() {
        let mut state = State::default();
        state.opened(1, 10);
        assert_eq!(state.plan("C_Sign", Subject::Session(1)), None);
        let garbage = Action::Signature(Form::Garbage);
        state.rules.push(Rule { is_for_first: true, ..rule("C_Sign", garbage, 0, None, None) });
        state.opened(2, 10);
        let plan = |state: &mut State, session| state.plan("C_Sign", Subject::Session(session));
        assert_eq!(
            [plan(&mut state, 1), plan(&mut state, 2), plan(&mut state, 2)],
            [None, Some(garbage), None]
        );
        assert_eq!(state.lose(None, Some(1)), [2]);
        assert_eq!(plan(&mut state, 1), None);
        state.opened(2, 10);
        assert_eq!(plan(&mut state, 2), Some(garbage));
    }

    #[test]
    fn lost_sessions_stay_invalid_until_their_number_is_given_again() {
        let mut state = State::default();
        state.opened(1, 10);
        assert_eq!(state.lose(None, None), [1]);
        assert_eq!(
            state.plan("C_Sign", Subject::Session(1)),
            Some(Action::Return(CKR_SESSION_HANDLE_INVALID))
        );
        state.opened(1, 10);
        assert_eq!(state.plan("C_Sign", Subject::Session(1)), None);
    }
}
