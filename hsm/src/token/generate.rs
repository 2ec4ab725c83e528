//! Generating key pairs for signing and for nothing else.
//!
//! Every use but signing is refused in so many words, where the token takes that: some refuse a template that names a
//! use which the key type does not have, even as false, so a shorter template is tried after the full one.

use cryptoki::error::RvError;
use cryptoki::object::Attribute;
use tracing::warn;

use super::objects;
use crate::algorithm::{KeyAlgorithm, PublicKey};
use crate::error::HsmError;
use crate::key::KeyId;
use crate::loaded::OpenSession;

/// kryoptic fails so when another process writes to its database; 7 to 29 % of generations did, never five in a row.
const ATTEMPTS: usize = 8;
/// A template that the token would have otherwise.
const TEMPLATE_REFUSED: &[RvError] = &[
    RvError::AttributeTypeInvalid,
    RvError::AttributeValueInvalid,
    RvError::TemplateInconsistent,
    RvError::CurveNotSupported,
    RvError::DomainParamsInvalid,
    RvError::GeneralError,
    RvError::FunctionFailed,
];
/// 65537, the exponent that everybody takes (FIPS 186-5 §A.1.1).
const PUBLIC_EXPONENT: &[u8] = &[1, 0, 1];

/// Generates a pair in the token. The caller has seen that the id is free, and keeps others from generating.
pub(crate) fn key_pair(
    session: &OpenSession,
    algorithm: KeyAlgorithm,
    id: &KeyId,
    label: &str,
) -> Result<(), HsmError> {
    let alternatives = public_parameters(algorithm);
    let mut last = None;
    for parameters in &alternatives {
        for is_full in [true, false] {
            match attempt(session, algorithm, parameters, id, label, is_full) {
                Err(HsmError::Call(call)) if call.code.is_one_of(TEMPLATE_REFUSED) => {
                    last = Some(HsmError::Call(call));
                }
                result => return result,
            }
        }
    }
    Err(last.unwrap_or(HsmError::KeyUnsupported { id: id.clone() }))
}

fn attempt(
    session: &OpenSession,
    algorithm: KeyAlgorithm,
    parameters: &[Attribute],
    id: &KeyId,
    label: &str,
    is_full: bool,
) -> Result<(), HsmError> {
    let generation = &algorithm.row().generation;
    let mut public = vec![Attribute::Token(true), Attribute::Private(false), Attribute::Verify(true)];
    let mut private = vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    if is_full {
        public.extend([Attribute::Encrypt(false), Attribute::Wrap(false)]);
        private.extend([Attribute::Decrypt(false), Attribute::Unwrap(false)]);
        private.extend([Attribute::Derive(false), Attribute::SignRecover(false)]);
    }
    public.extend_from_slice(parameters);
    for half in [&mut public, &mut private] {
        half.push(Attribute::Id(id.as_bytes().to_vec()));
        half.push(Attribute::Label(label.as_bytes().to_vec()));
    }
    let mut attempts_left = ATTEMPTS;
    loop {
        attempts_left -= 1;
        let made =
            session.call(|session| session.generate_key_pair(&(generation.mechanism)(), &public, &private));
        let Err(error) = made else { return Ok(()) };
        // One half may be there already.
        objects::destroy(session, id)?;
        if !error.is_call(RvError::DeviceMemory) || attempts_left == 0 {
            return Err(error);
        }
        warn!(attempts_left, %id, "the token could not store a new key, trying again");
    }
}

/// What CKA_EC_PARAMS, CKA_PARAMETER_SET or the modulus' length are to be, in each of the ways that tokens take it.
fn public_parameters(algorithm: KeyAlgorithm) -> Vec<Vec<Attribute>> {
    match algorithm.row().public {
        PublicKey::Rsa { modulus_bits } => vec![vec![
            Attribute::ModulusBits(modulus_bits.into()),
            Attribute::PublicExponent(PUBLIC_EXPONENT.to_vec()),
        ]],
        PublicKey::Curve { parameters, .. } => {
            parameters.iter().map(|parameters| vec![Attribute::EcParams(parameters.to_vec())]).collect()
        }
        PublicKey::ParameterSet { parameter_set, .. } => {
            vec![vec![Attribute::ParameterSet(parameter_set())]]
        }
    }
}
