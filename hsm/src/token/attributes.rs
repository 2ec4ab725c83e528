//! Reading a key's attributes: in one call where the token answers that, else one by one, because a token that cannot read
//! one of them (SoftHSM2: dates) fails a call that asks for several.

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

/// What is asked for in one call; the dates are not among it, since SoftHSM2 fails a call that asks for one that is set.
const IN_ONE_CALL: [AttributeType; 20] = [
    AttributeType::Token,
    AttributeType::Private,
    AttributeType::Modifiable,
    AttributeType::Copyable,
    AttributeType::Destroyable,
    AttributeType::Sensitive,
    AttributeType::AlwaysSensitive,
    AttributeType::Extractable,
    AttributeType::NeverExtractable,
    AttributeType::Local,
    AttributeType::Sign,
    AttributeType::SignRecover,
    AttributeType::Decrypt,
    AttributeType::Unwrap,
    AttributeType::Derive,
    AttributeType::WrapWithTrusted,
    AttributeType::AlwaysAuthenticate,
    AttributeType::KeyGenMechanism,
    AttributeType::AllowedMechanisms,
    AttributeType::UniqueId,
];

/// All that [`KeyAttributes`] has room for.
///
/// In one call where the token answers that: each call on a stored key makes kryoptic lock out all others and read its
/// database, which those who sign meanwhile wait for.
pub(crate) fn read_all(session: &OpenSession, key: ObjectHandle) -> Result<KeyAttributes, HsmError> {
    let mut read_attributes = match session.call(|session| session.get_attributes(key, &IN_ONE_CALL)) {
        Ok(attributes) => attributes,
        Err(HsmError::Call(call)) if call.code.is_one_of(NOT_READABLE) => one_by_one(session, key)?,
        Err(HsmError::Binding(_)) => one_by_one(session, key)?,
        Err(error) => return Err(error),
    };
    for kind in [AttributeType::StartDate, AttributeType::EndDate] {
        read_attributes.extend(read(session, key, kind)?);
    }
    Ok(of(read_attributes))
}

fn one_by_one(session: &OpenSession, key: ObjectHandle) -> Result<Vec<Attribute>, HsmError> {
    IN_ONE_CALL.into_iter().filter_map(|kind| read(session, key, kind).transpose()).collect()
}

/// Puts each attribute in its place; what was not read stays `None`.
fn of(read_attributes: Vec<Attribute>) -> KeyAttributes {
    let mut all = KeyAttributes::default();
    for attribute in read_attributes {
        // Nothing else was asked for, and the binding has an attribute for whatever PKCS#11 has.
        #[expect(clippy::wildcard_enum_match_arm, reason = "a hundred attributes that were not asked for")]
        match attribute {
            Attribute::Token(value) => all.token = Some(value),
            Attribute::Private(value) => all.private = Some(value),
            Attribute::Modifiable(value) => all.modifiable = Some(value),
            Attribute::Copyable(value) => all.copyable = Some(value),
            Attribute::Destroyable(value) => all.destroyable = Some(value),
            Attribute::Sensitive(value) => all.sensitive = Some(value),
            Attribute::AlwaysSensitive(value) => all.always_sensitive = Some(value),
            Attribute::Extractable(value) => all.extractable = Some(value),
            Attribute::NeverExtractable(value) => all.never_extractable = Some(value),
            Attribute::Local(value) => all.local = Some(value),
            Attribute::Sign(value) => all.sign = Some(value),
            Attribute::SignRecover(value) => all.sign_recover = Some(value),
            Attribute::Decrypt(value) => all.decrypt = Some(value),
            Attribute::Unwrap(value) => all.unwrap = Some(value),
            Attribute::Derive(value) => all.derive = Some(value),
            Attribute::WrapWithTrusted(value) => all.wrap_with_trusted = Some(value),
            Attribute::AlwaysAuthenticate(value) => all.always_authenticate = Some(value),
            Attribute::KeyGenMechanism(mechanism) => all.key_gen_mechanism = Some(mechanism.to_string()),
            Attribute::AllowedMechanisms(allowed) if !allowed.is_empty() => {
                all.allowed_mechanisms = Some(allowed.iter().map(ToString::to_string).collect());
            }
            Attribute::StartDate(date) => all.start_date = date_of(&date),
            Attribute::EndDate(date) => all.end_date = date_of(&date),
            Attribute::UniqueId(id) => all.unique_id = String::from_utf8(id).ok(),
            _ => {}
        }
    }
    all
}

fn date_of(date: &CryptokiDate) -> Option<Date> {
    fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
    Some(Date { year: number(&date.year)?, month: number(&date.month)?, day: number(&date.day)? })
}
