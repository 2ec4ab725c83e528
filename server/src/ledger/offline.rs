//! Commands that change keys, certificates or the configuration while no server runs record that themselves.
//!
//! Beside a server they record nothing: its reload sees what has changed.

use std::sync::Arc;

use attestamp_ledger::EventEntry;

use super::{AuthorityLedger, Beginning, LedgerError, gap};
use crate::clock;
use crate::config::{Config, LedgerSetting};
use crate::data_folder::{DataFolder, DataFolderError, Layout};
use crate::metrics::Metrics;
use crate::tokens::Tokens;

/// Records events and makes a checkpoint. To be called by whoever has the data folder's lock.
///
/// # Errors
/// [`LedgerError`].
pub fn record(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    events: Vec<EventEntry>,
) -> Result<(), LedgerError> {
    in_ledger(layout, config, tokens, events, Beginning::Refused)
}

/// As [`record`], in a ledger that begins with these events if it is not there.
///
/// # Errors
/// [`LedgerError`].
pub fn begin(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    events: Vec<EventEntry>,
) -> Result<(), LedgerError> {
    in_ledger(layout, config, tokens, events, Beginning::Allowed)
}

fn in_ledger(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    events: Vec<EventEntry>,
    beginning: Beginning,
) -> Result<(), LedgerError> {
    let now = clock::system_time();
    let LedgerSetting::Kept(kept) = &config.ledger else {
        // What they say is on no record, as little as tokens.
        return if events.is_empty() { Ok(()) } else { gap::note_off(layout, &config.ledger, now) };
    };
    let metrics = Arc::new(Metrics::default());
    let ledger = AuthorityLedger::open(layout, config, kept, tokens, &metrics, now, beginning)?;
    ledger.record_events(events)?;
    ledger.checkpoint(now)?;
    Ok(())
}

/// As [`record`], for a command that does not have the lock: where a server has it, nothing is to be done.
///
/// # Errors
/// [`LedgerError`].
pub fn record_unless_served(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    events: Vec<EventEntry>,
) -> Result<(), LedgerError> {
    match DataFolder::open(layout.root()) {
        Ok(_held) => record(layout, config, tokens, events),
        // A server has it: it is there for clients. Another command would not see what has changed.
        Err(DataFolderError::InUse { .. }) if layout.listening_file().exists() => Ok(()),
        Err(source) => Err(LedgerError::DataFolder(source)),
    }
}
