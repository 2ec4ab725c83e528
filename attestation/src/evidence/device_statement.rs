//! What a device says of a key, in the words of its vendor, and what D6 misses in it.
//!
//! One form for all vendors: an adapter translates, and keeps the vendor's names for what a key may do, because that is
//! what an auditor finds in the vendor's documents. Nothing is verified here.

use std::fmt;

use super::EvidenceFormat;
use crate::claims::Platform;

/// What a device says of one of its keys, over a signature that leads to a pinned root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatement {
    /// How it said so.
    pub format: EvidenceFormat,
    /// Which device: the serial number, in decimal as it is printed on it.
    pub serial: String,
    /// Firmware version, as `2.4.0`.
    pub firmware: String,
    /// The key's number in the device; of a YubiHSM 2 the object id, two octets, its CKA_ID unless that was changed.
    pub object_id: Vec<u8>,
    /// The key's label. The host chose it: the device vouches for no word of it.
    pub label: String,
    /// How the key came into the device.
    pub origin: KeyOrigin,
    /// The device's partitions that may use the key, ascending; of a YubiHSM 2 its domains, from 1.
    pub domains: Vec<u8>,
    /// What the key may be used for.
    pub capabilities: Vec<DeviceCapability>,
    /// What the key lacks, in the device's terms (D6); empty for one that was generated in the device, cannot leave it
    /// and can only sign.
    pub shortcomings: Vec<DeviceShortcoming>,
}

impl DeviceStatement {
    /// Whether it is of the token that names itself so: of the same make, and with the same serial number.
    #[must_use]
    pub fn is_of_device(&self, platform: &Platform) -> bool {
        // PKCS#11 modules fill the number up with zeros, and tokens with spaces.
        let number = |serial: &str| serial.trim().trim_start_matches('0').to_owned();
        self.format.token_names().are_of(platform)
            && !platform.serial.trim().is_empty()
            && number(&self.serial) == number(&platform.serial)
    }

    /// Whether the device's own word satisfies D6.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        self.shortcomings.is_empty()
    }
}

/// How the PKCS#11 modules of a make of devices name them in C_GetTokenInfo: what each name begins with, whatever its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenNames {
    /// manufacturerID.
    pub manufacturer: &'static str,
    /// model.
    pub model: &'static str,
}

impl TokenNames {
    /// Whether a token that names itself so is of this make.
    #[must_use]
    pub fn are_of(self, platform: &Platform) -> bool {
        let begins = |name: &str, expected: &str| {
            name.trim_start().get(..expected.len()).is_some_and(|start| start.eq_ignore_ascii_case(expected))
        };
        begins(&platform.manufacturer, self.manufacturer) && begins(&platform.model, self.model)
    }
}

/// How a key came into its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Generated in it.
    Generated,
    /// Imported in plain text.
    Imported,
    /// Imported under a wrap key; its origin before that is the device's word, and may be another device's.
    ImportedWrapped {
        /// Whether it was generated in a device once.
        was_generated: bool,
    },
    /// Something that the vendor's documents do not name.
    Unknown {
        /// As the device gave it.
        bits: u8,
    },
}

impl fmt::Display for KeyOrigin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generated => out.write_str("generated"),
            Self::Imported => out.write_str("imported"),
            Self::ImportedWrapped { was_generated: true } => out.write_str("generated, imported wrapped"),
            Self::ImportedWrapped { was_generated: false } => out.write_str("imported, imported wrapped"),
            Self::Unknown { bits } => write!(out, "unknown ({bits:#04x})"),
        }
    }
}

/// Something that a key may be used for, in the vendor's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceCapability {
    /// By its name, as `sign-ecdsa`.
    Known(&'static str),
    /// One that this version does not know.
    Unknown {
        /// Its bit.
        bit: u8,
    },
}

impl fmt::Display for DeviceCapability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(name) => out.write_str(name),
            Self::Unknown { bit } => write!(out, "unknown ({bit:#04x})"),
        }
    }
}

/// What a key lacks in its device's terms (D6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceShortcoming {
    /// D6 asks for CKA_LOCAL.
    #[error("the key's origin is `{found}`, `generated` is required")]
    NotGenerated {
        /// What the device says.
        found: KeyOrigin,
    },
    /// D6 asks for a key that is not and never was extractable.
    #[error("the key may leave the device under a wrap key")]
    Exportable,
    /// D6 asks for a key that can only sign.
    #[error("the key has the capability `{capability}`, it may only sign")]
    MayDoMore {
        /// What it may do.
        capability: DeviceCapability,
    },
    /// D6 asks for a key that can sign.
    #[error("the key has no capability to sign")]
    CannotSign,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(manufacturer: &str, model: &str, serial: &str) -> Platform {
        let [manufacturer, model, serial] = [manufacturer, model, serial].map(str::to_owned);
        Platform { manufacturer, model, serial, firmware: "2.40".to_owned() }
    }

    fn statement() -> DeviceStatement {
        DeviceStatement {
            format: EvidenceFormat::YubiHsm2,
            serial: "7550054".to_owned(),
            firmware: "2.4.0".to_owned(),
            object_id: vec![0, 1],
            label: String::new(),
            origin: KeyOrigin::Generated,
            domains: vec![1],
            capabilities: Vec::new(),
            shortcomings: Vec::new(),
        }
    }

    #[test]
    fn a_statement_is_of_a_token_of_its_make_and_number() {
        let manufacturer = "Yubico (www.yubico.com)";
        for (manufacturer, model, serial) in [
            (manufacturer, "YubiHSM", "07550054"),
            (manufacturer, "YubiHSM", "7550054        "),
            ("YUBICO", "yubihsm 2", "0000000007550054"),
        ] {
            assert!(statement().is_of_device(&platform(manufacturer, model, serial)), "{model} {serial}");
        }
        for (manufacturer, model, serial) in [
            (manufacturer, "YubiHSM", "07550055"),
            (manufacturer, "YubiHSM", "75500540"),
            (manufacturer, "YubiHSM", ""),
            (manufacturer, "YubiKey", "07550054"),
            ("Thales", "YubiHSM", "07550054"),
            ("Thales", "Luna 7", "07550054"),
            ("", "", "07550054"),
            ("Yubic\u{f6}", "YubiHSM", "07550054"),
        ] {
            assert!(
                !statement().is_of_device(&platform(manufacturer, model, serial)),
                "{manufacturer} {model}"
            );
        }
    }
}
