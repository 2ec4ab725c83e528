//! Everything in a token that does not change from one to the next, encoded once per TSU and profile.
//!
//! The order of the signed attributes is fixed here too: a DER SET OF is sorted by its members' octets, and the one
//! member that changes, messageDigest, changes behind the octets that decide.

use std::sync::Arc;

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm};
use hex_literal::hex;

use super::certificate::{CertificateError, CertificateFields};
use super::{ID_CT_TST_INFO, ess};
use crate::profile::{ChainDepth, Profile};
use crate::tst_info::TstInfoConstants;
use attestamp_strict_der::{INTEGER_1, element, push_header, set_of, tag};

/// id-contentType and id-messageDigest (RFC 5652 §11), whole elements.
const ID_CONTENT_TYPE: [u8; 11] = hex!("0609 2a864886f70d010903");
const ID_MESSAGE_DIGEST: [u8; 11] = hex!("0609 2a864886f70d010904");
/// `AlgorithmIdentifier` of rsaEncryption with NULL. RFC 5754 §3.2 (as RFC 3370 §3.2) obliges every CMS implementation
/// that does RSA to accept it as a SignerInfo's signatureAlgorithm; sha256WithRSAEncryption there is a MAY.
const RSA_ENCRYPTION: [u8; 15] = hex!("300d 0609 2a864886f70d010101 0500");
/// INTEGER 3: SignedData with an eContentType other than id-data (RFC 5652 §5.1).
const SIGNED_DATA_VERSION: [u8; 3] = [tag::INTEGER, 1, 3];

/// The constant part of a TSU's tokens. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct TokenTemplate(Arc<Constants>);

/// A chain that no token can be issued with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No certificate at all.
    #[error("no certificate; the TSU's own must come first")]
    EmptyChain,
    /// One that cannot be read.
    #[error("certificate {position} of the chain cannot be read")]
    Certificate {
        /// Which one, 0 being the TSU's.
        position: usize,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// A certificate that the next one did not issue.
    #[error(
        "certificate {position} of the chain is not issued by the one that follows it; the TSU's comes first"
    )]
    ChainOrder {
        /// Which one, 0 being the TSU's.
        position: usize,
    },
    /// The certificate's key is of another kind than the signatures.
    #[error("the TSU's certificate is not for a key that signs with {}", algorithm.name())]
    KeyAlgorithm {
        /// The algorithm asked for.
        algorithm: SignatureAlgorithm,
    },
    /// `tsa` must name the TSU as its certificate does, which names nobody.
    #[error("tokens must name the TSU, but its certificate has an empty subject")]
    EmptySubject,
}

#[derive(Debug)]
struct Constants {
    digest_algorithm: HashAlgorithm,
    tst_info: TstInfoConstants,
    signed_attributes: SignedAttributes,
    signed_data: SignedDataConstants,
}

/// The SET OF signed attributes, open at the value of messageDigest.
#[derive(Debug)]
pub(super) struct SignedAttributes {
    before_digest: Vec<u8>,
    after_digest: Vec<u8>,
    digest_length: usize,
}

/// The parts of SignedData and SignerInfo between those that change.
#[derive(Debug)]
pub(super) struct SignedDataConstants {
    pub(super) version_and_digest_algorithms: Vec<u8>,
    /// `[0] IMPLICIT CertificateSet`, for tokens that carry it.
    pub(super) certificates: Vec<u8>,
    /// version, sid, digestAlgorithm.
    pub(super) signer_before_attributes: Vec<u8>,
    pub(super) signature_algorithm: &'static [u8],
}

impl TokenTemplate {
    /// Encodes what the tokens of a TSU have in common.
    ///
    /// `chain` starts with the TSU's certificate, each one issued by the next; a root at its end is left out of tokens.
    ///
    /// # Errors
    /// [`TemplateError`] if the chain cannot be read, is out of order, or its first key is not for `algorithm`.
    pub fn new(
        profile: &Profile,
        chain: &[CertificateDer<'_>],
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, TemplateError> {
        let config = profile.config();
        let fields = read_chain(chain)?;
        let ([signer, issuers @ ..], [certificate, issuer_certificates @ ..]) = (fields.as_slice(), chain)
        else {
            return Err(TemplateError::EmptyChain);
        };
        if !is_key_for(signer, algorithm) {
            return Err(TemplateError::KeyAlgorithm { algorithm });
        }
        if config.include_tsa_name && signer.subject == [tag::SEQUENCE, 0] {
            return Err(TemplateError::EmptySubject);
        }

        let depth = match config.chain_depth {
            ChainDepth::Intermediates => usize::MAX,
            ChainDepth::AtMost(depth) => usize::from(depth),
        };
        let intermediates = issuers.iter().zip(issuer_certificates);
        let intermediates = intermediates.filter(|(fields, _)| !fields.is_self_issued()).take(depth);
        let mut carried: Vec<&[u8]> = vec![certificate.as_ref()];
        carried.extend(intermediates.map(|(_, certificate)| certificate.as_ref()));

        let digest_algorithm = algorithm.digest();
        let digest_identifier = ess::hash_algorithm_identifier(digest_algorithm);
        let digest_algorithms = element(tag::SET, &[&digest_identifier]);
        let issuer_and_serial = element(tag::SEQUENCE, &[signer.issuer, signer.serial_number]);
        let signing_certificate = ess::signing_certificate_attribute(config.ess, certificate, signer);
        Ok(Self(Arc::new(Constants {
            digest_algorithm,
            tst_info: TstInfoConstants::new(config, signer.subject),
            signed_attributes: SignedAttributes::new(&signing_certificate, digest_algorithm),
            signed_data: SignedDataConstants {
                version_and_digest_algorithms: [&SIGNED_DATA_VERSION, digest_algorithms.as_slice()].concat(),
                certificates: element(tag::CONTEXT_0, &[&set_of(&carried)]),
                signer_before_attributes: [&INTEGER_1, issuer_and_serial.as_slice(), &digest_identifier]
                    .concat(),
                signature_algorithm: signer_info_signature_algorithm(algorithm),
            },
        })))
    }

    pub(super) fn tst_info(&self) -> &TstInfoConstants {
        &self.0.tst_info
    }

    pub(super) fn digest_algorithm(&self) -> HashAlgorithm {
        self.0.digest_algorithm
    }

    pub(super) fn signed_attributes(&self) -> &SignedAttributes {
        &self.0.signed_attributes
    }

    pub(super) fn signed_data(&self) -> &SignedDataConstants {
        &self.0.signed_data
    }
}

impl SignedAttributes {
    fn new(signing_certificate: &[u8], digest: HashAlgorithm) -> Self {
        let digest_length = digest.output_length();
        let content_type_values = element(tag::SET, &[&ID_CT_TST_INFO]);
        let content_type = element(tag::SEQUENCE, &[&ID_CONTENT_TYPE, &content_type_values]);
        let placeholder = element(tag::OCTET_STRING, &[&vec![0; digest_length]]);
        let message_digest_values = element(tag::SET, &[&placeholder]);
        let message_digest = element(tag::SEQUENCE, &[&ID_MESSAGE_DIGEST, &message_digest_values]);

        let mut sorted = [content_type.as_slice(), &message_digest, signing_certificate];
        sorted.sort_unstable();
        let mut before_digest = Vec::new();
        push_header(&mut before_digest, tag::SET, sorted.iter().map(|attribute| attribute.len()).sum());
        let mut after_digest = Vec::new();
        let mut digest_seen = false;
        for attribute in sorted {
            if attribute == message_digest {
                let before = attribute.len() - digest_length;
                before_digest.extend_from_slice(attribute.get(..before).unwrap_or_default());
                digest_seen = true;
            } else if digest_seen {
                after_digest.extend_from_slice(attribute);
            } else {
                before_digest.extend_from_slice(attribute);
            }
        }
        Self { before_digest, after_digest, digest_length }
    }

    /// Octets of the whole SET.
    pub(super) const fn length(&self) -> usize {
        self.before_digest.len() + self.digest_length + self.after_digest.len()
    }

    /// Appends the whole SET with this value of messageDigest.
    pub(super) fn push_onto(&self, out: &mut Vec<u8>, digest: &[u8]) {
        out.extend_from_slice(&self.before_digest);
        out.extend_from_slice(digest);
        out.extend_from_slice(&self.after_digest);
    }
}

/// Reads every certificate, and checks that each names the next as its issuer.
fn read_chain<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Vec<CertificateFields<'a>>, TemplateError> {
    let read = |(position, certificate): (usize, &'a CertificateDer<'_>)| {
        CertificateFields::read(certificate).map_err(|source| TemplateError::Certificate { position, source })
    };
    let fields: Vec<_> = chain.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    let pairs = fields.iter().zip(fields.iter().skip(1));
    match pairs.enumerate().find(|(_, (issued, issuer))| issued.issuer != issuer.subject) {
        Some((position, _)) => Err(TemplateError::ChainOrder { position }),
        None => Ok(fields),
    }
}

/// Whether the certificate's public key is of the kind that makes these signatures.
fn is_key_for(certificate: &CertificateFields<'_>, algorithm: SignatureAlgorithm) -> bool {
    certificate.key_algorithm == algorithm.key_algorithm_identifier_der()
}

/// The `signatureAlgorithm` of a SignerInfo, which for RSA is not that of certificates.
fn signer_info_signature_algorithm(algorithm: SignatureAlgorithm) -> &'static [u8] {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1Sha256
        | SignatureAlgorithm::RsaPkcs1Sha384
        | SignatureAlgorithm::RsaPkcs1Sha512 => &RSA_ENCRYPTION,
        SignatureAlgorithm::EcdsaP256Sha256
        | SignatureAlgorithm::EcdsaP384Sha384
        | SignatureAlgorithm::Ed25519
        | SignatureAlgorithm::MlDsa(_)
        | SignatureAlgorithm::SlhDsa(_) => algorithm.algorithm_identifier_der(),
    }
}
