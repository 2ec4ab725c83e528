//! The capabilities of a YubiHSM 2's objects, by bit: `yh_capability` of Yubico's `yubihsm.h` (yubihsm-shell), with the
//! names that `yubihsm-shell` takes and prints.

/// exportable-under-wrap: the object can leave the device, encrypted under a wrap key.
pub(super) const EXPORTABLE_UNDER_WRAP: u8 = 0x10;

/// The capabilities that a timestamp key may have: those that sign what the host gives. Not `sign-ssh-certificate` and
/// `sign-attestation-certificate`, which put other statements under the same key (D10).
pub(super) const SIGNING: [u8; 4] = [0x05, 0x06, 0x07, 0x08];

/// The name of a bit; `None` for one that no published table has.
pub(super) fn name(bit: u8) -> Option<&'static str> {
    NAMES.get(usize::from(bit)).copied()
}

/// In the order of the bits, from 0x00.
const NAMES: [&str; 0x38] = [
    "get-opaque",
    "put-opaque",
    "put-authentication-key",
    "put-asymmetric-key",
    "generate-asymmetric-key",
    "sign-pkcs",
    "sign-pss",
    "sign-ecdsa",
    "sign-eddsa",
    "decrypt-pkcs",
    "decrypt-oaep",
    "derive-ecdh",
    "export-wrapped",
    "import-wrapped",
    "put-wrap-key",
    "generate-wrap-key",
    "exportable-under-wrap", // 0x10
    "set-option",
    "get-option",
    "get-pseudo-random",
    "put-mac-key",
    "generate-hmac-key",
    "sign-hmac",
    "verify-hmac",
    "get-log-entries",
    "sign-ssh-certificate",
    "get-template",
    "put-template",
    "reset-device",
    "decrypt-otp",
    "create-otp-aead",
    "randomize-otp-aead",
    "rewrap-from-otp-aead-key", // 0x20
    "rewrap-to-otp-aead-key",
    "sign-attestation-certificate",
    "put-otp-aead-key",
    "generate-otp-aead-key",
    "wrap-data",
    "unwrap-data",
    "delete-opaque",
    "delete-authentication-key",
    "delete-asymmetric-key",
    "delete-wrap-key",
    "delete-hmac-key",
    "delete-template",
    "delete-otp-aead-key",
    "change-authentication-key",
    "put-symmetric-key",
    "generate-symmetric-key", // 0x30
    "delete-symmetric-key",
    "decrypt-ecb",
    "encrypt-ecb",
    "decrypt-cbc",
    "encrypt-cbc",
    "put-public-wrap-key",
    "delete-public-wrap-key",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_the_bits_of_yubico_s_header() {
        for (bit, expected) in [
            (0x00, "get-opaque"),
            (0x05, "sign-pkcs"),
            (0x07, "sign-ecdsa"),
            (0x0a, "decrypt-oaep"),
            (0x10, "exportable-under-wrap"),
            (0x19, "sign-ssh-certificate"),
            (0x20, "rewrap-from-otp-aead-key"),
            (0x22, "sign-attestation-certificate"),
            (0x2e, "change-authentication-key"),
            (0x30, "generate-symmetric-key"),
            (0x37, "delete-public-wrap-key"),
        ] {
            assert_eq!(name(bit), Some(expected));
        }
        assert_eq!(name(0x38), None);
        assert_eq!(SIGNING.map(name), ["sign-pkcs", "sign-pss", "sign-ecdsa", "sign-eddsa"].map(Some));
        assert_eq!(name(EXPORTABLE_UNDER_WRAP), Some("exportable-under-wrap"));
    }
}
