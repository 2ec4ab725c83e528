//! What can be wrong with a token, one variant each, with the numbers that show it.
//!
//! The verifier stops at the first; its order is that of [`super`]. A message never quotes a token's text, because it
//! is shown on terminals and the token may be anybody's.

use std::fmt;

use attestamp_certs::chain::ChainError;
use attestamp_certs::tsu_certificate::TsuCertificateInvalid;
use attestamp_certs::utc::Utc;
use attestamp_certs::verify_signature::SignatureInvalid;
use attestamp_certs::{HashAlgorithm, SignatureAlgorithm, SignatureAlgorithmRefused, UnixTime};

use super::{MAX_CERTIFICATES, MAX_NESTED_TOKENS, MAX_TOKEN_OCTETS};
use crate::failure::PkiFailureInfo;
use crate::response::PkiStatus;
use attestamp_strict_der::Malformed;

/// A part of a token, for errors that name where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the standards' own nouns")]
pub enum TokenPart {
    TimeStampResp,
    SignedData,
    SignerInfo,
    SignedAttributes,
    UnsignedAttributes,
    SigningCertificate,
    TstInfo,
    Certificate,
}

impl TokenPart {
    const fn name(self) -> &'static str {
        match self {
            Self::TimeStampResp => "TimeStampResp",
            Self::SignedData => "SignedData",
            Self::SignerInfo => "SignerInfo",
            Self::SignedAttributes => "signed attributes",
            Self::UnsignedAttributes => "unsigned attributes",
            Self::SigningCertificate => "signing certificate attribute",
            Self::TstInfo => "TSTInfo",
            Self::Certificate => "certificate",
        }
    }
}

/// A signed attribute that the verifier looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the standards' own nouns")]
pub enum SignedAttribute {
    ContentType,
    MessageDigest,
    SigningCertificate,
    AlgorithmProtection,
}

impl SignedAttribute {
    const fn name(self) -> &'static str {
        match self {
            Self::ContentType => "contentType",
            Self::MessageDigest => "messageDigest",
            Self::SigningCertificate => "signingCertificate or signingCertificateV2",
            Self::AlgorithmProtection => "CMSAlgorithmProtection",
        }
    }
}

/// How a token's messageImprint differs from what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImprintDifference {
    /// Another hash algorithm.
    Algorithm {
        /// The token's.
        found: HashAlgorithm,
        /// The one expected.
        expected: HashAlgorithm,
    },
    /// Another hash value.
    Value,
}

/// Why a token proves nothing to somebody who no longer believes classical signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostQuantumLack {
    /// A classical signature and nothing over it.
    NoNestedToken,
    /// The nested tokens cannot be judged, mostly because they lead to no root that is trusted.
    NestedNotTrusted,
    /// The nested token is from long after the time that the classical signature claims.
    NestedMuchLater {
        /// The nested token's time, which is the one proved.
        nested: UnixTime,
        /// The token's own.
        gen_time: UnixTime,
    },
    /// The signature of the token, or of the nested one, is a classical one.
    ClassicalSignature,
    /// The signature is a post-quantum one, and a certificate above it is signed classically.
    ClassicalChain,
}

impl fmt::Display for PostQuantumLack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoNestedToken => {
                "the token is signed classically and carries no nested token; it was issued without, or it was stripped"
            }
            Self::NestedNotTrusted => {
                "the nested token cannot be judged: give the post-quantum root (and its certificates) too"
            }
            Self::NestedMuchLater { nested, gen_time } => {
                return write!(
                    formatter,
                    "the nested token is of {}; that the token existed at {} already is proved by its classical signature alone",
                    Utc(*nested),
                    Utc(*gen_time)
                );
            }
            Self::ClassicalSignature => "the nested token is signed classically too",
            Self::ClassicalChain => {
                "a certificate of the post-quantum signature's chain is signed classically"
            }
        })
    }
}

/// The first thing that is wrong with a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenInvalid {
    /// Larger than any honest one.
    #[error("{found} octets given, and a token has at most {MAX_TOKEN_OCTETS}")]
    TooLarge {
        /// Octets given.
        found: usize,
    },
    /// Not DER, or not the structure that must be there.
    #[error("the {} is not what RFC 3161 asks for in DER", part.name())]
    Malformed {
        /// Where.
        part: TokenPart,
        /// The octet and the reason.
        #[source]
        source: Malformed,
    },
    /// The TSA answered without a token (RFC 3161 §2.4.2).
    #[error("the response carries no token: {}", rejection(*status, *failure_info))]
    NotGranted {
        /// The status of the response.
        status: PkiStatus,
        /// The reason, where the response gives one that is known.
        failure_info: Option<PkiFailureInfo>,
    },
    /// A status number that RFC 3161 does not have.
    #[error("the response has an unknown status")]
    UnknownStatus,
    /// Status granted and no token (RFC 3161 §2.4.2).
    #[error("the response says granted and carries no token")]
    GrantedWithoutToken,
    /// A token beside a status that is not granted (RFC 3161 §2.4.2).
    #[error("the response carries a token although it does not say granted")]
    TokenWithoutGrant,
    /// Not a CMS SignedData (RFC 3161 §2.4.2).
    #[error("the token is a ContentInfo of another type than signedData")]
    NotSignedData,
    /// A version that CMS does not give to a timestamp (RFC 5652 §5.1 and §5.3, RFC 3161 §2.4.2).
    #[error("the {} has another version than {required}", part.name())]
    Version {
        /// Where.
        part: TokenPart,
        /// The version that it must have.
        required: u8,
    },
    /// Content other than a TSTInfo (RFC 3161 §2.4.2).
    #[error("the signed content is not a TSTInfo")]
    NotTstInfo,
    /// Not one SignerInfo (RFC 3161 §2.4.2).
    #[error("the token has {found} SignerInfos; it must have exactly one")]
    SignerCount {
        /// How many there are.
        found: usize,
    },
    /// A signer named by subject key identifier, which no timestamp verifier takes.
    #[error("the signer is not named by issuer and serial number")]
    SignerNotByIssuerAndSerial,
    /// A hash that is unknown or weak.
    #[error("the {} names a hash that is unknown or too weak", part.name())]
    HashNotAccepted {
        /// Where.
        part: TokenPart,
    },
    /// Parameters of an algorithm that are neither absent nor NULL (RFC 5754 §2).
    #[error("the parameters of a hash in the {} are neither absent nor NULL", part.name())]
    HashParameters {
        /// Where.
        part: TokenPart,
    },
    /// The digest algorithm of the SignerInfo is not listed in the SignedData (RFC 5652 §5.3).
    #[error("the digest algorithm of the signer is not among those of the SignedData")]
    DigestAlgorithmNotListed,
    /// A SET OF out of order (X.690 §11.6).
    #[error("the {} are not in the order of DER", part.name())]
    NotSorted {
        /// Which set.
        part: TokenPart,
    },
    /// A hash value of another length than its algorithm has (RFC 3161 §2.4.1).
    #[error("the messageImprint has {found} octets and {} has {}", hash.name(), hash.output_length())]
    ImprintLength {
        /// The token's hash.
        hash: HashAlgorithm,
        /// Octets of the value.
        found: usize,
    },
    /// genTime that is not DER: UTC, seconds, Z, no trailing zeros (RFC 3161 §2.4.2, X.690 §11.7).
    #[error("genTime is not a UTC time in DER (seconds, `Z`, no trailing zeros, no second 60)")]
    GenTime,
    /// Accuracy out of range (RFC 3161 §2.4.2).
    #[error("the accuracy is out of range: millis and micros are 1 to 999, seconds below 2^32, not all zero")]
    Accuracy,
    /// A serial number longer than 160 bits (RFC 3161 §2.4.2).
    #[error("the serial number has {found} octets; at most 21 are accepted")]
    SerialTooLong {
        /// Content octets.
        found: usize,
    },
    /// A critical extension in the TSTInfo: none is known.
    #[error("the TSTInfo has a critical extension, and none is known")]
    CriticalExtension,
    /// Stamped is something else than what was given.
    #[error("the token is for other data: {}", imprint(*difference))]
    Imprint {
        /// How it differs.
        difference: ImprintDifference,
    },
    /// Another nonce than expected, or none, or one where none was sent (RFC 3161 §2.4.2).
    #[error("the token's nonce is not the one of the request")]
    Nonce,
    /// Another policy than expected.
    #[error("the token was issued under another policy than the one asked for")]
    Policy,
    /// No signed attributes, or one of them missing.
    #[error("the signed attribute {} is missing", attribute.name())]
    AttributeMissing {
        /// Which.
        attribute: SignedAttribute,
    },
    /// An attribute twice, or with no value or several (RFC 5652 §11).
    #[error("a signed attribute is repeated or does not have exactly one value")]
    AttributeNotSingle,
    /// contentType that is not that of the content (RFC 5652 §11.1).
    #[error("the signed attribute contentType is not that of a TSTInfo")]
    ContentTypeAttribute,
    /// messageDigest that is not the content's: the TSTInfo was changed after signing.
    #[error(
        "the TSTInfo is not the one that was signed: its digest differs from the messageDigest attribute"
    )]
    MessageDigest,
    /// CMSAlgorithmProtection that names other algorithms (RFC 6211 §2).
    #[error("the signed attribute CMSAlgorithmProtection names other algorithms than the token uses")]
    AlgorithmProtection,
    /// More certificates than a chain needs.
    #[error("the token has more than {MAX_CERTIFICATES} certificates")]
    TooManyCertificates,
    /// No certificate with the signer's issuer and serial number.
    #[error(
        "the certificate of the signer is neither in the token nor among those given (it may have been requested \
         without certificates)"
    )]
    SignerCertificateMissing,
    /// Two different certificates with the signer's issuer and serial number.
    #[error("{found} different certificates have the issuer and serial number of the signer")]
    SignerCertificateAmbiguous {
        /// How many.
        found: usize,
    },
    /// The signed attribute names another certificate (RFC 5816 §2.2.1, RFC 2634 §5.4).
    #[error(
        "the certificate with the signer's issuer and serial number is not the one that the signature binds"
    )]
    SigningCertificateHash,
    /// The signed attribute's issuer and serial number are another certificate's.
    #[error(
        "the signing certificate attribute has another issuer or serial number than the signer's certificate"
    )]
    SigningCertificateIssuerSerial,
    /// An algorithm that is not accepted, or has parameters that it must not have.
    #[error("the token is signed with an algorithm that is not accepted")]
    SignatureAlgorithmNotAccepted {
        /// Why.
        #[source]
        source: SignatureAlgorithmRefused,
    },
    /// A digest that does not belong to the signature algorithm.
    #[error("the token is digested with {} and signed with {}", digest.name(), algorithm.name())]
    DigestMismatch {
        /// The SignerInfo's digest algorithm.
        digest: HashAlgorithm,
        /// The SignerInfo's signature algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// A digest that is easier to break than the post-quantum signature over it (RFC 9882 table 1, RFC 9814 §4).
    #[error(
        "the token is digested with {}, which is too weak beside {}: RFC 9882 and RFC 9814 ask for a digest no weaker \
         than the signature", digest.name(), algorithm.name()
    )]
    DigestTooWeak {
        /// The SignerInfo's digest algorithm.
        digest: HashAlgorithm,
        /// The SignerInfo's signature algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature {
        /// Why.
        #[source]
        source: SignatureInvalid,
    },
    /// The signer's certificate is not one for timestamps.
    #[error("the signer's certificate is not one of a timestamping unit")]
    Certificate {
        /// The rule that it breaks.
        #[source]
        source: TsuCertificateInvalid,
    },
    /// `tsa` is none of the certificate's names (RFC 3161 §2.4.2).
    #[error("the token's tsa field is none of the names in the signer's certificate")]
    TsaName,
    /// genTime outside the certificate's validity.
    #[error(
        "the token is of {}, and the signer's certificate is valid from {} to {}",
        Utc(*gen_time), Utc(*not_before), Utc(*not_after)
    )]
    OutsideValidity {
        /// The token's time.
        gen_time: UnixTime,
        /// The certificate's begin.
        not_before: UnixTime,
        /// The certificate's end.
        not_after: UnixTime,
    },
    /// genTime outside the time in which the key may sign (RFC 3280 §4.2.1.4).
    #[error("the token is of {}, outside the private key usage period of the signer's certificate", Utc(*gen_time))]
    OutsidePrivateKeyUsagePeriod {
        /// The token's time.
        gen_time: UnixTime,
    },
    /// More tokens in the unsigned attributes than anybody needs.
    #[error(
        "the token has {found} tokens in its unsigned attributes; at most {MAX_NESTED_TOKENS} are looked into"
    )]
    TooManyNestedTokens {
        /// How many.
        found: usize,
    },
    /// A nested token over something else than this token's signature value (RFC 3161 appendix A).
    #[error(
        "the nested token is one of another token: its messageImprint is not the hash of this token's signature value \
         (RFC 3161 appendix A)"
    )]
    NestedForAnotherToken,
    /// A nested token that does not hold by itself.
    #[error("the nested token (unsigned attribute id-aa-timeStampToken) does not hold")]
    Nested {
        /// Why.
        #[source]
        source: Box<TokenInvalid>,
    },
    /// A nested token from before the signature that it is over could have been made.
    #[error(
        "the nested token is of {}, before the time of the token whose signature it is over, {}",
        Utc(*nested), Utc(*gen_time)
    )]
    NestedBefore {
        /// The nested token's time, with its accuracy.
        nested: UnixTime,
        /// The token's time, with its accuracy.
        gen_time: UnixTime,
    },
    /// A post-quantum signature was asked for.
    #[error("a post-quantum signature is required: {lack}")]
    NotPostQuantum {
        /// What there is instead.
        lack: PostQuantumLack,
    },
    /// No chain to a trusted root, or a revoked certificate.
    #[error("the signer's certificate has no valid chain to a trusted root at {}", Utc(*at))]
    Chain {
        /// The instant that the chain was verified for.
        at: UnixTime,
        /// What is wrong with it.
        #[source]
        source: ChainError,
    },
}

impl TokenInvalid {
    pub(super) const fn malformed(part: TokenPart) -> impl Fn(Malformed) -> Self + Copy {
        move |source| Self::Malformed { part, source }
    }
}

fn rejection(status: PkiStatus, failure_info: Option<PkiFailureInfo>) -> String {
    let status = match status {
        PkiStatus::Granted => "granted",
        PkiStatus::GrantedWithMods => "granted with modifications",
        PkiStatus::Rejection => "the request was rejected",
        PkiStatus::Waiting => "the request is still waiting",
        PkiStatus::RevocationWarning => "a revocation is imminent",
        PkiStatus::RevocationNotification => "a revocation has occurred",
    };
    failure_info.map_or_else(|| status.to_owned(), |info| format!("{status} ({})", info.name()))
}

fn imprint(difference: ImprintDifference) -> String {
    match difference {
        ImprintDifference::Algorithm { found, expected } => {
            format!("it holds a {} hash, and {} was expected", found.name(), expected.name())
        }
        ImprintDifference::Value => "the hash values differ".to_owned(),
    }
}
