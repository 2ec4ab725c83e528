//! The default policy: which keys an auditor accepts (D6).
//!
//! It fails closed: where the policy asks for a value, a flag that the token does not state is a shortcoming too. An
//! auditor who accepts such a key does so knowingly.

use std::fmt;

use crate::claims::{KeyClaims, KeyFlag};

/// What D6 asks of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// It is stated, and TRUE.
    True,
    /// It is stated, and FALSE.
    False,
    /// It is not TRUE; a token that does not have it is right too.
    NotTrue,
}

impl Requirement {
    fn accepts(self, found: Option<bool>) -> bool {
        match self {
            Self::True => found == Some(true),
            Self::False => found == Some(false),
            Self::NotTrue => found != Some(true),
        }
    }
}

/// A row of the policy.
#[derive(Debug, Clone, Copy)]
struct Row {
    flag: KeyFlag,
    requirement: Requirement,
    /// What must be so, in words.
    rule: &'static str,
}

const fn row(flag: KeyFlag, requirement: Requirement, rule: &'static str) -> Row {
    Row { flag, requirement, rule }
}

/// The policy. SIGN_RECOVER alone may be absent: it is an attribute of RSA keys.
const POLICY: [Row; 10] = [
    row(KeyFlag::Sensitive, Requirement::True, "the key must not be readable"),
    row(KeyFlag::AlwaysSensitive, Requirement::True, "the key must never have been readable"),
    row(KeyFlag::Extractable, Requirement::False, "the key must not be extractable"),
    row(KeyFlag::NeverExtractable, Requirement::True, "the key must never have been extractable"),
    row(KeyFlag::Local, Requirement::True, "the key must have been generated in the token"),
    row(KeyFlag::Sign, Requirement::True, "the key must be one that signs"),
    row(KeyFlag::SignRecover, Requirement::NotTrue, "the key may only sign"),
    row(KeyFlag::Decrypt, Requirement::False, "the key may only sign"),
    row(KeyFlag::Unwrap, Requirement::False, "the key may only sign"),
    row(KeyFlag::Derive, Requirement::False, "the key may only sign"),
];

/// What a key lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortcoming {
    /// A flag has the wrong value, or was not stated.
    #[error("{} {}; {rule}", flag.name(), Found(*found))]
    Flag {
        /// Which one.
        flag: KeyFlag,
        /// Its value; `None` where the token does not state it.
        found: Option<bool>,
        /// What D6 asks for.
        required: Requirement,
        /// The same in words.
        rule: &'static str,
    },
}

/// All that keeps a key from being accepted by default (D6); empty for a key that was generated in its token, never left
/// it and can only sign.
#[must_use]
pub fn shortcomings(key: &KeyClaims) -> Vec<Shortcoming> {
    let shortcoming = |row: &Row| {
        let &Row { flag, requirement, rule } = row;
        let found = key.flags.value(flag);
        (!requirement.accepts(found)).then_some(Shortcoming::Flag {
            flag,
            found,
            required: requirement,
            rule,
        })
    };
    POLICY.iter().filter_map(shortcoming).collect()
}

/// Writes a flag's value.
struct Found(Option<bool>);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Some(true) => "is TRUE",
            Some(false) => "is FALSE",
            None => "is not stated by the token",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_chain::key_claims;

    fn with(flag: KeyFlag, value: bool) -> Vec<Shortcoming> {
        let mut key = key_claims();
        key.flags = key.flags.with(flag, Some(value));
        shortcomings(&key)
    }

    fn without(flag: KeyFlag) -> Vec<Shortcoming> {
        let mut key = key_claims();
        let stated = key.flags.iter().filter(|(stated, _)| *stated != flag);
        key.flags = stated
            .fold(Default::default(), |flags: crate::KeyFlags, (flag, value)| flags.with(flag, Some(value)));
        shortcomings(&key)
    }

    #[test]
    fn d6_a_key_that_was_made_in_its_token_never_left_it_and_only_signs_is_accepted() {
        assert_eq!(shortcomings(&key_claims()), []);
    }

    #[test]
    fn d6_each_flag_of_the_policy_has_its_value_and_is_stated() {
        use KeyFlag::{AlwaysSensitive, Extractable, Local, NeverExtractable, Sensitive};
        use KeyFlag::{Decrypt, Derive, Sign, Unwrap};

        for (flags, required) in [
            (vec![Sensitive, AlwaysSensitive, NeverExtractable, Local, Sign], true),
            (vec![Extractable, Decrypt, Unwrap, Derive], false),
        ] {
            for flag in flags {
                assert_eq!(with(flag, required), [], "{flag:?}");
                let (wrong, unstated) = (with(flag, !required), without(flag));
                assert!(
                    matches!(&wrong[..], [Shortcoming::Flag { flag: found, found: Some(value), .. }]
                        if *found == flag && *value != required),
                    "{wrong:?}"
                );
                assert!(
                    matches!(&unstated[..], [Shortcoming::Flag { flag: found, found: None, .. }] if *found == flag),
                    "{unstated:?}"
                );
            }
        }
    }

    #[test]
    fn d6_sign_recover_may_be_absent_and_may_not_be_true() {
        assert_eq!(without(KeyFlag::SignRecover), []);
        assert_eq!(with(KeyFlag::SignRecover, false), []);
        assert_eq!(with(KeyFlag::SignRecover, true).len(), 1);
    }

    #[test]
    fn other_flags_do_not_decide() {
        let mut key = key_claims();
        for flag in KeyFlag::ALL.into_iter().filter(|flag| POLICY.iter().all(|row| row.flag != *flag)) {
            for value in [true, false] {
                key.flags = key.flags.with(flag, Some(value));
                assert_eq!(shortcomings(&key), [], "{flag:?}");
            }
        }
    }

    #[test]
    fn a_key_that_states_nothing_lacks_all_but_sign_recover() {
        let mut key = key_claims();
        key.flags = Default::default();
        assert_eq!(shortcomings(&key).len(), POLICY.len() - 1);
    }

    #[test]
    fn messages_are_plain_words() {
        let message = |shortcomings: Vec<Shortcoming>| shortcomings[0].to_string();
        assert_eq!(
            message(with(KeyFlag::Extractable, true)),
            "CKA_EXTRACTABLE is TRUE; the key must not be extractable"
        );
        assert_eq!(
            message(without(KeyFlag::Local)),
            "CKA_LOCAL is not stated by the token; the key must have been generated in the token"
        );
        assert_eq!(message(with(KeyFlag::Decrypt, true)), "CKA_DECRYPT is TRUE; the key may only sign");
    }
}
