//! The token's own clock, where it has one (CKF_CLOCK_ON_TOKEN): a reading to compare with, never a time to rely on.

use cryptoki::slot::Slot;

use super::Token;
use crate::error::HsmError;

/// What the token's clock shows: the digits of CK_TOKEN_INFO.utcTime. Whether they are a date is for the reader to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTime {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

impl Token {
    /// What the token's own clock shows now; `None` if it has none.
    ///
    /// # Errors
    /// [`HsmError::TokenMissing`] if it has been removed, or the module's own.
    pub fn utc_time(&self) -> Result<Option<TokenTime>, HsmError> {
        let slot = Slot::try_from(self.info()?.slot.0)?;
        let info = self.shared.module.loaded().call(|module| module.get_token_info(slot))?;
        Ok(info.utc_time().map(|time| TokenTime {
            year: time.year,
            month: time.month,
            day: time.day,
            hour: time.hour,
            minute: time.minute,
            second: time.second,
        }))
    }
}
