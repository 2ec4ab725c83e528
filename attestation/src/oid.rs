//! The object identifiers of this project, below 2.25.195043139723147967458054985970204369001 (X.667: the UUID
//! 92bbf13c-257b-4ce3-afc5-17cda7f16069 needs no registration).
//!
//! | below the arc | what it names |
//! |---|---|
//! | .1 | the extension with a key's claims, in an attestation certificate |
//! | .2 | the extended key usage "attestation only" |
//! | .3 | the extension with the token's names, in a device certificate |
//! | .4.1 | vendor evidence: an attestation certificate of a YubiHSM 2, with those above it |
//!
//! As content octets, because most ASN.1 libraries in Rust and Go refuse arcs of more than 32 bits.

/// The extension with a key's claims.
pub const KEY_ATTESTATION: [u8; 21] = hex_literal::hex!("69 82a5bbf8cf84d7dab3c7afe2c5f9dabfc5c069 01");
/// The extended key usage "attestation only" (D2).
pub const ATTESTATION_ONLY: [u8; 21] = hex_literal::hex!("69 82a5bbf8cf84d7dab3c7afe2c5f9dabfc5c069 02");
/// The extension with the token's names, in a device certificate.
pub const DEVICE_PLATFORM: [u8; 21] = hex_literal::hex!("69 82a5bbf8cf84d7dab3c7afe2c5f9dabfc5c069 03");
/// Vendor evidence of a YubiHSM 2: its attestation certificate and those above it.
pub const YUBIHSM2_EVIDENCE: [u8; 22] = hex_literal::hex!("69 82a5bbf8cf84d7dab3c7afe2c5f9dabfc5c069 04 01");
