//! ML-DSA and SLH-DSA: the generic verifiers of the libraries, chosen by parameter set.
//!
//! Pure mode and an empty context throughout (FIPS 204 algorithm 3, FIPS 205 algorithm 24).

use ml_dsa::{KeyInit as _, MlDsaParams};
use slh_dsa::ParameterSet;

use super::SignatureInvalid;
use crate::SignatureAlgorithm;
use crate::algorithm::post_quantum::{MlDsa, Row, SlhDsa};

/// No context (RFC 9881 §2, RFC 9882, RFC 9814 §4).
const EMPTY_CONTEXT: &[u8] = &[];

pub(super) fn verify_ml_dsa(
    set: MlDsa,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureInvalid> {
    let algorithm = SignatureAlgorithm::MlDsa(set);
    check_lengths(algorithm, set.row(), key, signature)?;
    match set {
        MlDsa::MlDsa44 => ml_dsa::<ml_dsa::MlDsa44>(algorithm, key, message, signature),
        MlDsa::MlDsa65 => ml_dsa::<ml_dsa::MlDsa65>(algorithm, key, message, signature),
        MlDsa::MlDsa87 => ml_dsa::<ml_dsa::MlDsa87>(algorithm, key, message, signature),
    }
}

pub(super) fn verify_slh_dsa(
    set: SlhDsa,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureInvalid> {
    let algorithm = SignatureAlgorithm::SlhDsa(set);
    check_lengths(algorithm, set.row(), key, signature)?;
    let verify = match set {
        SlhDsa::Sha2_128s => slh_dsa::<slh_dsa::Sha2_128s>,
        SlhDsa::Sha2_128f => slh_dsa::<slh_dsa::Sha2_128f>,
        SlhDsa::Sha2_192s => slh_dsa::<slh_dsa::Sha2_192s>,
        SlhDsa::Sha2_192f => slh_dsa::<slh_dsa::Sha2_192f>,
        SlhDsa::Sha2_256s => slh_dsa::<slh_dsa::Sha2_256s>,
        SlhDsa::Sha2_256f => slh_dsa::<slh_dsa::Sha2_256f>,
        SlhDsa::Shake128s => slh_dsa::<slh_dsa::Shake128s>,
        SlhDsa::Shake128f => slh_dsa::<slh_dsa::Shake128f>,
        SlhDsa::Shake192s => slh_dsa::<slh_dsa::Shake192s>,
        SlhDsa::Shake192f => slh_dsa::<slh_dsa::Shake192f>,
        SlhDsa::Shake256s => slh_dsa::<slh_dsa::Shake256s>,
        SlhDsa::Shake256f => slh_dsa::<slh_dsa::Shake256f>,
    };
    verify(algorithm, key, message, signature)
}

fn check_lengths(
    algorithm: SignatureAlgorithm,
    row: &Row,
    key: &[u8],
    signature: &[u8],
) -> Result<(), SignatureInvalid> {
    if key.len() != row.public_key_octets {
        return Err(SignatureInvalid::MalformedKey);
    }
    if signature.len() != row.signature_octets {
        return Err(SignatureInvalid::MalformedSignature { algorithm });
    }
    Ok(())
}

fn ml_dsa<P: MlDsaParams>(
    algorithm: SignatureAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureInvalid> {
    let key = ml_dsa::VerifyingKey::<P>::new_from_slice(key).map_err(|_| SignatureInvalid::MalformedKey)?;
    let signature = ml_dsa::Signature::<P>::try_from(signature)
        .map_err(|_| SignatureInvalid::MalformedSignature { algorithm })?;
    let holds = key.verify_with_context(message, EMPTY_CONTEXT, &signature);
    if holds { Ok(()) } else { Err(SignatureInvalid::DoesNotVerify { algorithm }) }
}

fn slh_dsa<P: ParameterSet>(
    algorithm: SignatureAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureInvalid> {
    let key = slh_dsa::VerifyingKey::<P>::try_from(key).map_err(|_| SignatureInvalid::MalformedKey)?;
    let signature = slh_dsa::Signature::<P>::try_from(signature)
        .map_err(|_| SignatureInvalid::MalformedSignature { algorithm })?;
    key.try_verify_with_context(message, EMPTY_CONTEXT, &signature)
        .map_err(|_| SignatureInvalid::DoesNotVerify { algorithm })
}
