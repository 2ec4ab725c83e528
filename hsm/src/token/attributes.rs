//! Reading a key's attributes, one by one: a token that cannot read one of them (SoftHSM2: dates) fails a call that asks
//! for several.

use cryptoki::error::RvError;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::types::Date as CryptokiDate;

use crate::error::HsmError;
use crate::key::{Date, KeyAttributes};
use crate::loaded::OpenSession;

/// What a token answers for an attribute that it does not have, does not show or cannot read.
const NOT_READABLE: &[RvError] = &[
    RvError::AttributeTypeInvalid,
    RvError::AttributeSensitive,
    RvError::AttributeValueInvalid,
    RvError::GeneralError,
    RvError::FunctionFailed,
];

/// One attribute; `None` where the token does not have it, does not show it or cannot read it.
pub(crate) fn read(
    session: &OpenSession,
    object: ObjectHandle,
    kind: AttributeType,
) -> Result<Option<Attribute>, HsmError> {
    match session.call(|session| session.get_attributes(object, &[kind])) {
        Ok(attributes) => Ok(attributes.into_iter().next()),
        Err(HsmError::Call(call)) if call.code.is_one_of(NOT_READABLE) => Ok(None),
        // A value that the binding has no type for, such as a vendor's mechanism.
        Err(HsmError::Binding(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The value of one attribute, where it is there and of its own type.
macro_rules! value {
    ($session:expr, $object:expr, $kind:ident) => {
        match $crate::token::attributes::read($session, $object, cryptoki::object::AttributeType::$kind)? {
            Some(cryptoki::object::Attribute::$kind(value)) => Some(value),
            Some(_) | None => None,
        }
    };
}
pub(crate) use value;

/// All that [`KeyAttributes`] has room for.
pub(crate) fn read_all(session: &OpenSession, key: ObjectHandle) -> Result<KeyAttributes, HsmError> {
    let key_gen_mechanism = value!(session, key, KeyGenMechanism);
    let allowed = value!(session, key, AllowedMechanisms).filter(|allowed| !allowed.is_empty());
    Ok(KeyAttributes {
        token: value!(session, key, Token),
        private: value!(session, key, Private),
        modifiable: value!(session, key, Modifiable),
        copyable: value!(session, key, Copyable),
        destroyable: value!(session, key, Destroyable),
        sensitive: value!(session, key, Sensitive),
        always_sensitive: value!(session, key, AlwaysSensitive),
        extractable: value!(session, key, Extractable),
        never_extractable: value!(session, key, NeverExtractable),
        local: value!(session, key, Local),
        sign: value!(session, key, Sign),
        sign_recover: value!(session, key, SignRecover),
        decrypt: value!(session, key, Decrypt),
        unwrap: value!(session, key, Unwrap),
        derive: value!(session, key, Derive),
        wrap_with_trusted: value!(session, key, WrapWithTrusted),
        always_authenticate: value!(session, key, AlwaysAuthenticate),
        key_gen_mechanism: key_gen_mechanism.map(|mechanism| mechanism.to_string()),
        allowed_mechanisms: allowed.map(|allowed| allowed.iter().map(ToString::to_string).collect()),
        start_date: value!(session, key, StartDate).and_then(|date| date_of(&date)),
        end_date: value!(session, key, EndDate).and_then(|date| date_of(&date)),
        unique_id: value!(session, key, UniqueId).and_then(|id| String::from_utf8(id).ok()),
    })
}

fn date_of(date: &CryptokiDate) -> Option<Date> {
    fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
    Some(Date { year: number(&date.year)?, month: number(&date.month)?, day: number(&date.day)? })
}
