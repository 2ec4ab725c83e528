//! The keys that break D6 are what they should be, by the word of `pkcs11-tool`, and a TSU can be made to use them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::odd_keys::OddKey;
use attestamp_interop_tests::token_under_test::TokenKind;

fn expected(kind: TokenKind, key: OddKey) -> BTreeMap<u32, bool> {
    let is_imported = key == OddKey::Imported;
    let adds_decrypt = kind == TokenKind::SoftHsm2;
    BTreeMap::from([
        (0x103, true),
        (0x105, adds_decrypt || key == OddKey::Decrypting),
        (0x107, adds_decrypt),
        (0x108, true),
        (0x10c, key == OddKey::Deriving),
        (0x162, key == OddKey::Extractable),
        (0x163, !is_imported),
        (0x164, !is_imported && key != OddKey::Extractable),
        (0x165, !is_imported),
    ])
}

fn on(kind: TokenKind, key: OddKey) -> Result<()> {
    let token = kind.initialised_with(&["--external-ca", "--tsu", "default:p-256"])?;
    let ca = ExternalCa::create(&token.folder)?;
    key.make_for_tsu(&token, &ca, "default")?;
    let (found, expected) = (token.listed(key.label())?.flags(), expected(kind, key));
    ensure!(found == expected, "{key:?} on {kind:?}: {found:x?} instead of {expected:x?}");
    Ok(())
}

#[test]
fn on_the_embedded_token() -> Result<()> {
    OddKey::ALL.into_iter().try_for_each(|key| on(TokenKind::Embedded, key))
}

#[test]
fn on_softhsm2() -> Result<()> {
    OddKey::ALL.into_iter().try_for_each(|key| on(TokenKind::SoftHsm2, key))
}
