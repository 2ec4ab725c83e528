//! From what the token says of a key to the claims of an attestation (D4, D5).

use attestamp_attestation::{Date, KeyClaims, KeyFlag, KeyFlags, KeyPolicy, Platform};
use attestamp_certs::UnixTime;
use attestamp_hsm::{KeyInfo, TokenInfo};

use crate::config::TsuConfig;

/// What an attestation says of the key. A flag that the token does not have stays out.
#[must_use]
pub fn key_claims(key: &KeyInfo) -> KeyClaims {
    let attributes = &key.attributes;
    let flags = KeyFlags::default()
        .with(KeyFlag::Token, attributes.token)
        .with(KeyFlag::Private, attributes.private)
        .with(KeyFlag::Sensitive, attributes.sensitive)
        .with(KeyFlag::Decrypt, attributes.decrypt)
        .with(KeyFlag::Unwrap, attributes.unwrap)
        .with(KeyFlag::Sign, attributes.sign)
        .with(KeyFlag::SignRecover, attributes.sign_recover)
        .with(KeyFlag::Derive, attributes.derive)
        .with(KeyFlag::Extractable, attributes.extractable)
        .with(KeyFlag::Local, attributes.local)
        .with(KeyFlag::NeverExtractable, attributes.never_extractable)
        .with(KeyFlag::AlwaysSensitive, attributes.always_sensitive)
        .with(KeyFlag::Modifiable, attributes.modifiable)
        .with(KeyFlag::Copyable, attributes.copyable)
        .with(KeyFlag::Destroyable, attributes.destroyable)
        .with(KeyFlag::AlwaysAuthenticate, attributes.always_authenticate)
        .with(KeyFlag::WrapWithTrusted, attributes.wrap_with_trusted);
    let date = |date: attestamp_hsm::Date| Date { year: date.year, month: date.month, day: date.day };
    KeyClaims {
        id: key.id.as_bytes().to_vec(),
        label: key.label.clone(),
        key_type: key.algorithm.key_type_name().to_owned(),
        parameter_set: key.algorithm.parameter_set_name().to_owned(),
        flags,
        key_gen_mechanism: attributes.key_gen_mechanism.clone(),
        allowed_mechanisms: attributes.allowed_mechanisms.clone(),
        start_date: attributes.start_date.map(date),
        end_date: attributes.end_date.map(date),
        unique_id: attributes.unique_id.clone(),
    }
}

/// The token as it names itself.
#[must_use]
pub fn platform(token: &TokenInfo) -> Platform {
    let (major, minor) = token.firmware_version;
    Platform {
        manufacturer: token.manufacturer.clone(),
        model: token.model.clone(),
        serial: token.serial.clone(),
        firmware: format!("{major}.{minor}"),
    }
}

/// What a TSU's key is used for, once the TSU has a certificate.
#[must_use]
pub fn tsu_policy(name: &str, tsu: &TsuConfig, not_after: UnixTime) -> KeyPolicy {
    KeyPolicy {
        purpose: PURPOSE_TIMESTAMPING.to_owned(),
        user: format!("tsu {name}"),
        tsa_policies: tsu.profile.policies().map(|policy| policy.oid().content().to_vec()).collect(),
        not_after,
        accept_unattested: tsu.accept_unattested,
    }
}

/// What the keys of TSUs are for.
pub const PURPOSE_TIMESTAMPING: &str = "timestamping";

#[cfg(test)]
mod tests {
    use attestamp_hsm::{KeyAlgorithm, KeyAttributes, KeyId};

    use super::*;

    fn key(attributes: KeyAttributes) -> KeyInfo {
        KeyInfo {
            id: KeyId::new(vec![1, 2]).unwrap(),
            label: "a label".to_owned(),
            algorithm: KeyAlgorithm::MlDsa65,
            spki_der: Vec::new(),
            attributes,
        }
    }

    #[test]
    fn d4_what_the_token_does_not_have_is_absent_and_not_false() {
        let silent = key_claims(&key(KeyAttributes::default()));
        assert_eq!(silent.flags.iter().count(), 0);
        assert_eq!((silent.key_gen_mechanism, silent.allowed_mechanisms), (None, None));
        assert_eq!((silent.start_date, silent.end_date, silent.unique_id), (None, None, None));
        assert_eq!((silent.key_type.as_str(), silent.parameter_set.as_str()), ("CKK_ML_DSA", "ML-DSA-65"));

        let one = key_claims(&key(KeyAttributes { decrypt: Some(false), ..KeyAttributes::default() }));
        assert_eq!(one.flags.iter().collect::<Vec<_>>(), [(KeyFlag::Decrypt, false)]);
    }

    /// Each attribute goes to the flag of its own name: one at a time is set, and that one must come out.
    #[test]
    fn d5_every_attribute_is_the_flag_of_its_name() {
        let none = KeyAttributes::default;
        let cases: [(KeyFlag, KeyAttributes); 17] = [
            (KeyFlag::Token, KeyAttributes { token: Some(true), ..none() }),
            (KeyFlag::Private, KeyAttributes { private: Some(true), ..none() }),
            (KeyFlag::Sensitive, KeyAttributes { sensitive: Some(true), ..none() }),
            (KeyFlag::Decrypt, KeyAttributes { decrypt: Some(true), ..none() }),
            (KeyFlag::Unwrap, KeyAttributes { unwrap: Some(true), ..none() }),
            (KeyFlag::Sign, KeyAttributes { sign: Some(true), ..none() }),
            (KeyFlag::SignRecover, KeyAttributes { sign_recover: Some(true), ..none() }),
            (KeyFlag::Derive, KeyAttributes { derive: Some(true), ..none() }),
            (KeyFlag::Extractable, KeyAttributes { extractable: Some(true), ..none() }),
            (KeyFlag::Local, KeyAttributes { local: Some(true), ..none() }),
            (KeyFlag::NeverExtractable, KeyAttributes { never_extractable: Some(true), ..none() }),
            (KeyFlag::AlwaysSensitive, KeyAttributes { always_sensitive: Some(true), ..none() }),
            (KeyFlag::Modifiable, KeyAttributes { modifiable: Some(true), ..none() }),
            (KeyFlag::Copyable, KeyAttributes { copyable: Some(true), ..none() }),
            (KeyFlag::Destroyable, KeyAttributes { destroyable: Some(true), ..none() }),
            (KeyFlag::AlwaysAuthenticate, KeyAttributes { always_authenticate: Some(true), ..none() }),
            (KeyFlag::WrapWithTrusted, KeyAttributes { wrap_with_trusted: Some(true), ..none() }),
        ];
        assert_eq!(cases.each_ref().map(|(flag, _)| *flag), KeyFlag::ALL);
        for (flag, attributes) in cases {
            let claims = key_claims(&key(attributes));
            assert_eq!(claims.flags.iter().collect::<Vec<_>>(), [(flag, true)]);
        }
    }
}
