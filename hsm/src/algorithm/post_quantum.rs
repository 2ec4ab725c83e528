//! The rows of ML-DSA (FIPS 204) and SLH-DSA (FIPS 205): one parameter set each, all data.
//!
//! Signatures are asked for without mechanism parameters, which PKCS#11 v3.2 defines as an empty context and
//! CKH_HEDGE_PREFERRED: a signature with fresh randomness, where the token has it (RFC 9882 §4). Never the CKM_HASH_*
//! forms: certificates and tokens are signed in pure mode.

use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{KeyType, MlDsaParameterSetType, SlhDsaParameterSetType};

use super::{PublicKey, Row, SignatureScheme, Signing, Step};

/// Sizes in bytes; `arc` is the last of the object identifier, 2.16.840.1.101.3.4.3.
struct Numbers {
    arc: u8,
    public_key: usize,
    signature: usize,
}

macro_rules! row {
    (MlDsa $set:ident, $name:literal, $scheme:ident, $numbers:expr) => {
        row!(
            $name,
            $scheme,
            $numbers,
            ML_DSA,
            MlDsaParameterSetType::$set,
            MlDsaKeyPairGen,
            ML_DSA_KEY_PAIR_GEN,
            "CKM_ML_DSA_KEY_PAIR_GEN",
            MlDsa,
            ML_DSA,
            "CKM_ML_DSA"
        )
    };
    (SlhDsa $set:ident, $name:literal, $scheme:ident, $numbers:expr) => {
        row!(
            $name,
            $scheme,
            $numbers,
            SLH_DSA,
            SlhDsaParameterSetType::$set,
            SlhDsaKeyPairGen,
            SLH_DSA_KEY_PAIR_GEN,
            "CKM_SLH_DSA_KEY_PAIR_GEN",
            SlhDsa,
            SLH_DSA,
            "CKM_SLH_DSA"
        )
    };
    (
        $name:literal, $scheme:ident, $numbers:expr, $key_type:ident, $set:expr,
        $generation:ident, $generation_kind:ident, $generation_name:literal,
        $signing:ident, $signing_kind:ident, $signing_name:literal
    ) => {
        Row {
            name: $name,
            scheme: SignatureScheme::$scheme,
            key_type: KeyType::$key_type,
            generation: Step {
                mechanism: || Mechanism::$generation,
                kind: MechanismType::$generation_kind,
                name: $generation_name,
            },
            signing: Signing::Whole {
                step: Step {
                    mechanism: || Mechanism::$signing(SignAdditionalContext::new(HedgeType::Preferred, None)),
                    kind: MechanismType::$signing_kind,
                    name: $signing_name,
                },
                signature_bytes: $numbers.signature,
            },
            public: PublicKey::ParameterSet {
                parameter_set: || $set.into(),
                value_bytes: $numbers.public_key,
                // RFC 9881 §2, RFC 9909 §3: no parameters.
                algorithm_identifier: &[
                    0x30,
                    11,
                    6,
                    9,
                    0x60,
                    0x86,
                    0x48,
                    0x01,
                    0x65,
                    0x03,
                    0x04,
                    0x03,
                    $numbers.arc,
                ],
            },
        }
    };
}

pub(super) static ML_DSA_44: Row =
    row!(MlDsa ML_DSA_44, "ml-dsa-44", MlDsa44, Numbers { arc: 17, public_key: 1312, signature: 2420 });
pub(super) static ML_DSA_65: Row =
    row!(MlDsa ML_DSA_65, "ml-dsa-65", MlDsa65, Numbers { arc: 18, public_key: 1952, signature: 3309 });
pub(super) static ML_DSA_87: Row =
    row!(MlDsa ML_DSA_87, "ml-dsa-87", MlDsa87, Numbers { arc: 19, public_key: 2592, signature: 4627 });
pub(super) static SLH_DSA_SHA2_128S: Row = row!(SlhDsa SHA2_128S, "slh-dsa-sha2-128s", SlhDsaSha2_128s, Numbers { arc: 20, public_key: 32, signature: 7856 });
pub(super) static SLH_DSA_SHA2_128F: Row = row!(SlhDsa SHA2_128F, "slh-dsa-sha2-128f", SlhDsaSha2_128f, Numbers { arc: 21, public_key: 32, signature: 17_088 });
pub(super) static SLH_DSA_SHA2_192F: Row = row!(SlhDsa SHA2_192F, "slh-dsa-sha2-192f", SlhDsaSha2_192f, Numbers { arc: 23, public_key: 48, signature: 35_664 });
pub(super) static SLH_DSA_SHA2_256F: Row = row!(SlhDsa SHA2_256F, "slh-dsa-sha2-256f", SlhDsaSha2_256f, Numbers { arc: 25, public_key: 64, signature: 49_856 });
pub(super) static SLH_DSA_SHAKE_128F: Row = row!(SlhDsa SHAKE_128F, "slh-dsa-shake-128f", SlhDsaShake128f, Numbers { arc: 27, public_key: 32, signature: 17_088 });
