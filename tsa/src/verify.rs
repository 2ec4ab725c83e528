//! The strict verifier of tokens and responses, for people who do not trust whoever made them.
//!
//! Two steps, because the hash of the data is named in the token: [`UnverifiedToken::parse`] takes the token apart and
//! [`UnverifiedToken::verify`] judges it against what the verifier knows. The order of the checks, of which the first
//! that fails is named:
//!
//! 1. the structure: DER throughout, SignedData version 3, one SignerInfo ([`signed_data`]), the TSTInfo ([`tst_info`]);
//! 2. what was expected: messageImprint, nonce, policy;
//! 3. the signature: messageDigest, the certificate that the signature binds ([`signer`]), the signature itself;
//! 4. the certificate: the rules of RFC 3161 §2.3, its names, its validity at genTime, its key's usage period;
//! 5. the chain to a trusted root, with revocation, at genTime or at the instant asked for;
//! 6. the tokens over its signature that it carries as unsigned attributes, in the same way ([`nested`]).
//!
//! What it does not do: fetch anything, look at a clock, or believe other unsigned attributes.

mod algorithm;
mod attributes;
mod invalid;
mod nested;
mod response;
mod signature;
mod signed_data;
mod signer;
mod signing_certificate;
mod tst_info;

use attestamp_certs::chain::VerifiedChain;
use attestamp_certs::{
    CertificateDer, HashAlgorithm, RevocationList, SignatureAlgorithm, TrustAnchors, TsuCertificate,
    UnixTime, verify_chain,
};

pub use invalid::{ImprintDifference, PostQuantumLack, SignedAttribute, TokenInvalid, TokenPart};
pub use nested::NestedToken;
pub use response::DecodedResponse;
pub use signature::SignedToken;

use crate::accuracy::Accuracy;
use crate::gen_time::UtcInstant;
use crate::policy_oid::PolicyOid;
use crate::response::TimeStampResp;
use attestamp_strict_der::{Reader, tag};
use attributes::SignedAttributes;
use signed_data::SignedData;
use tst_info::Claims;

/// Most octets of a token or response. A hash-based post-quantum signature with its chain has about 100 000.
pub const MAX_TOKEN_OCTETS: usize = 1 << 20;
/// Most certificates in a token; chains have two or three.
pub const MAX_CERTIFICATES: usize = 32;
/// Most signed attributes; the standards know about ten.
pub const MAX_SIGNED_ATTRIBUTES: usize = 32;
/// Most tokens that a token may carry over its signature; ours carry one.
pub const MAX_NESTED_TOKENS: usize = 3;
/// Deepest nesting in what is not read further.
pub const MAX_NESTING: usize = 16;
/// Most texts of a response that are kept.
pub const MAX_STATUS_STRINGS: usize = 16;

/// What the token must be for.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedImprint<'a> {
    /// These octets; they are hashed with the token's algorithm.
    Data(&'a [u8]),
    /// This hash value of the data, with whatever accepted algorithm the token names.
    Digest(&'a [u8]),
    /// This hash value with this algorithm, as in a request.
    DigestOf(HashAlgorithm, &'a [u8]),
}

/// What the token's nonce must be.
#[derive(Debug, Clone, Copy)]
pub enum ExpectedNonce<'a> {
    /// Whatever it is: the request is not at hand.
    Any,
    /// None: the request had none.
    Absent,
    /// This one: content octets of the INTEGER.
    Value(&'a [u8]),
}

/// What a verifier knows and trusts.
#[derive(Debug, Clone, Copy)]
pub struct Expectations<'a> {
    /// What the token must be for.
    pub imprint: ExpectedImprint<'a>,
    /// The nonce of the request.
    pub nonce: ExpectedNonce<'a>,
    /// The policy that it must have been issued under.
    pub policy: Option<&'a PolicyOid>,
    /// The trusted roots.
    pub anchors: &'a TrustAnchors,
    /// Certificates that may be needed and are not in the token; not trusted.
    pub certificates: &'a [CertificateDer<'a>],
    /// Revocation lists; without any, revocation is not checked.
    pub crls: &'a [RevocationList],
    /// The instant that the chain must hold at; genTime where none is given.
    pub at: Option<UnixTime>,
}

/// A token that was taken apart, its statements read, and nothing of it believed.
#[derive(Debug, Clone)]
pub struct UnverifiedToken<'a> {
    der: &'a [u8],
    signed_data: SignedData<'a>,
    attributes: SignedAttributes<'a>,
    claims: Claims<'a>,
}

/// A token that holds, and what it says.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    /// When.
    pub gen_time: UtcInstant,
    /// How far genTime may be from the truth, where the TSA says.
    pub accuracy: Option<Accuracy>,
    /// Whether tokens of this TSA can be ordered by genTime alone.
    pub ordering: bool,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// The policy that it was issued under.
    pub policy: PolicyOid,
    /// The hash of the data.
    pub hash: HashAlgorithm,
    /// The hash value of the data.
    pub hashed_message: Vec<u8>,
    /// Content octets of the nonce.
    pub nonce: Option<Vec<u8>>,
    /// Whether the token names its TSA (`tsa`), which was found to be a name of the certificate.
    pub names_tsa: bool,
    /// How it was signed.
    pub signature_algorithm: SignatureAlgorithm,
    /// By whom.
    pub certificate: TsuCertificate,
    /// The chain that was found.
    pub chain: VerifiedChain,
    /// The instant that the chain was verified for.
    pub chain_verified_at: UnixTime,
    /// The tokens over this one's signature that it carries. That there is none proves nothing: they can be taken out.
    pub nested: Vec<NestedToken>,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes apart a token, or the token of a response: both are met in files named `.tsr`.
    ///
    /// # Errors
    /// [`TokenInvalid`] where it is neither, or a response without a token, or a token that is malformed.
    pub fn parse(der: &'a [u8]) -> Result<Self, TokenInvalid> {
        if der.len() > MAX_TOKEN_OCTETS {
            return Err(TokenInvalid::TooLarge { found: der.len() });
        }
        if !is_response(der) {
            return Self::parse_token(der);
        }
        let response = TimeStampResp::decode(der)?;
        let (status, failure_info) = (response.status, response.failure_info);
        let token = response.token.ok_or(TokenInvalid::NotGranted { status, failure_info })?;
        Self::parse_token(token)
    }

    fn parse_token(token: &'a [u8]) -> Result<Self, TokenInvalid> {
        let signed_data = SignedData::read(token)?;
        let claims = tst_info::read(signed_data.content_reader)?;
        let attributes = SignedAttributes::read(&signed_data.signer)?;
        Ok(Self { der: token, signed_data, attributes, claims })
    }

    /// The hash that the data must be hashed with to compare it.
    #[must_use]
    pub const fn hash(&self) -> HashAlgorithm {
        self.claims.hash
    }

    /// When the token claims to be of. Not to be believed before [`verify`](Self::verify).
    #[must_use]
    pub const fn claimed_gen_time(&self) -> UtcInstant {
        self.claims.gen_time
    }

    /// The serial number that the token claims: content octets. Not to be believed before [`verify`](Self::verify).
    #[must_use]
    pub const fn claimed_serial(&self) -> &'a [u8] {
        self.claims.serial
    }

    /// The policy that the token claims. Not to be believed before [`verify`](Self::verify).
    #[must_use]
    pub const fn claimed_policy(&self) -> &PolicyOid {
        &self.claims.policy
    }

    /// The token itself in DER, a `ContentInfo`, without the response around it.
    #[must_use]
    pub const fn der(&self) -> &'a [u8] {
        self.der
    }

    /// Judges the token.
    ///
    /// # Errors
    /// [`TokenInvalid`]: the first thing that is wrong.
    pub fn verify(&self, expected: &Expectations<'_>) -> Result<VerifiedToken, TokenInvalid> {
        let verified = self.verify_alone(expected)?;
        let nested = nested::verify(&self.signed_data.signer, &verified, expected)?;
        Ok(VerifiedToken { nested, ..verified })
    }

    /// All but the nested tokens.
    fn verify_alone(&self, expected: &Expectations<'_>) -> Result<VerifiedToken, TokenInvalid> {
        check_imprint(&self.claims, expected.imprint)?;
        check_nonce(&self.claims, expected.nonce)?;
        if expected.policy.is_some_and(|policy| *policy != self.claims.policy) {
            return Err(TokenInvalid::Policy);
        }

        let signed = self.verify_signature(expected.certificates)?;
        let at = expected.at.unwrap_or_else(|| self.claims.gen_time.unix_time());
        let chain = self.verify_chain(&signed.certificate, expected, at)?;
        Ok(self.verified(signed, chain, at))
    }

    fn verify_chain(
        &self,
        certificate: &TsuCertificate,
        expected: &Expectations<'_>,
        at: UnixTime,
    ) -> Result<VerifiedChain, TokenInvalid> {
        let of_token = self.signed_data.certificates.iter().map(|der| CertificateDer::from(*der));
        let intermediates: Vec<CertificateDer<'_>> = of_token
            .chain(expected.certificates.iter().cloned())
            .filter(|candidate| candidate.as_ref() != certificate.der().as_ref())
            .collect();
        verify_chain(certificate.der(), &intermediates, expected.anchors, at, expected.crls)
            .map_err(|source| TokenInvalid::Chain { at, source })
    }

    fn verified(
        &self,
        signed: SignedToken,
        chain: VerifiedChain,
        chain_verified_at: UnixTime,
    ) -> VerifiedToken {
        let claims = &self.claims;
        VerifiedToken {
            gen_time: signed.gen_time,
            accuracy: claims.accuracy,
            ordering: claims.ordering,
            serial: signed.serial,
            policy: signed.policy,
            hash: signed.hash,
            hashed_message: signed.hashed_message,
            nonce: claims.nonce.map(<[u8]>::to_vec),
            names_tsa: claims.tsa.is_some(),
            signature_algorithm: signed.signature_algorithm,
            certificate: signed.certificate,
            chain,
            chain_verified_at,
            nested: Vec::new(),
        }
    }
}

/// Takes apart and judges a token or a response in one step.
///
/// # Errors
/// [`TokenInvalid`]: the first thing that is wrong.
pub fn verify_token(der: &[u8], expected: &Expectations<'_>) -> Result<VerifiedToken, TokenInvalid> {
    UnverifiedToken::parse(der)?.verify(expected)
}

/// A response begins with a SEQUENCE, a token with an OBJECT IDENTIFIER.
fn is_response(der: &[u8]) -> bool {
    let inside = Reader::new(der).any().map(|outer| outer.reader().peek_tag());
    inside.is_ok_and(|first| first == Some(tag::SEQUENCE))
}

fn check_imprint(claims: &Claims<'_>, expected: ExpectedImprint<'_>) -> Result<(), TokenInvalid> {
    let found = claims.hash;
    let same = match expected {
        ExpectedImprint::Data(data) => found.digest(data).as_ref() == claims.hashed_message,
        ExpectedImprint::Digest(value) => value == claims.hashed_message,
        ExpectedImprint::DigestOf(expected, _) if expected != found => {
            let difference = ImprintDifference::Algorithm { found, expected };
            return Err(TokenInvalid::Imprint { difference });
        }
        ExpectedImprint::DigestOf(_, value) => value == claims.hashed_message,
    };
    if same { Ok(()) } else { Err(TokenInvalid::Imprint { difference: ImprintDifference::Value }) }
}

fn check_nonce(claims: &Claims<'_>, expected: ExpectedNonce<'_>) -> Result<(), TokenInvalid> {
    let same = match expected {
        ExpectedNonce::Any => true,
        ExpectedNonce::Absent => claims.nonce.is_none(),
        ExpectedNonce::Value(nonce) => claims.nonce == Some(nonce),
    };
    if same { Ok(()) } else { Err(TokenInvalid::Nonce) }
}

#[cfg(test)]
mod tests;
