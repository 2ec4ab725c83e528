//! F6: a token with a clock of its own is compared by the server itself, and a difference is a warning that stops nothing.

use anyhow::{Result, ensure};
use attestamp_interop_tests::softhsm::SoftHsm;

use crate::{Pair, QUICK, granted_and_verified, readiness, until};

#[test]
fn f6_a_token_whose_own_clock_is_wrong_is_warned_of_and_signs() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    // PKCS#11 v3.2 §3.2: CKF_CLOCK_ON_TOKEN, and utcTime as YYYYMMDDhhmmss00.
    pair.faulty.begin_with(SoftHsm::module()?, &["rule C_GetTokenInfo clock=2001020304050600"]);
    let authority = pair.folder.serve()?;
    until("the clock was compared", || Ok(readiness(&authority)?.1.contains("token-clock")))?;
    let (status, text) = readiness(&authority)?;
    ensure!(status == 200 && text.contains("token `hsm`") && text.contains("behind ours"), "{status} {text}");
    let before = pair.faulty.calls("C_Sign");
    granted_and_verified(&pair.folder, &authority, "first")?;
    ensure!(pair.faulty.calls("C_Sign") > before, "the token with the wrong clock does not sign");
    Ok(())
}
