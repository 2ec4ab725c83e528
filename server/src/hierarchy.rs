//! The certification authorities that `init` makes, and what they issue: certificates for TSUs and CRLs.
//!
//! One hierarchy for each family of algorithms: an RSA TSU has clients that know nothing but RSA, so its chain is RSA to
//! the root; a post-quantum signature is worth what the weakest signature above it is worth. Every signature is verified before the certificate is handed out; what is handed out is logged.

use std::path::PathBuf;
use std::time::Duration;

use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{
    CertificateDer, CertificateSerial, Issuer, PublicUrl, RootParameters, SignatureAlgorithm, Subject,
    SubjectFields, TimestampingCaParameters, TsuParameters, UnixTime, UnsignedCertificate, Validity,
};
use attestamp_hsm::{KeyAlgorithm, KeyId, KeyInfo, Pkcs11Uri, Token};

use crate::config::template::CaTable;
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::tsu::signature_algorithm;

mod error;

pub use error::HierarchyError;

/// Validity of a root in days: 25 years.
const ROOT_DAYS: u64 = 25 * 365;
/// Validity of a time-stamping CA in days: 20 years.
const CA_DAYS: u64 = 20 * 365;
/// Days that a root's CRL is valid: its key may be off-line for long.
const ROOT_CRL_DAYS: u32 = 365;
/// Days that a time-stamping CA's CRL is valid.
const CA_CRL_DAYS: u32 = 14;
const SECONDS_A_DAY: u64 = 86_400;
/// Leaves a slow signature several times the time that it takes.
const SLOW_ACCURACY_SECONDS: u32 = 10;

/// A family of algorithms that has its own hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Elliptic curves: P-384 above P-256, P-384 and Ed25519.
    EllipticCurve,
    /// RSA throughout.
    Rsa,
    /// ML-DSA-87 above ML-DSA-65 above keys of ML-DSA and SLH-DSA.
    PostQuantum,
}

impl Family {
    /// All of them, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::EllipticCurve, Self::Rsa, Self::PostQuantum];

    /// The family whose hierarchy stands above a TSU's key.
    #[must_use]
    pub fn of(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => Self::Rsa,
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 => Self::EllipticCurve,
            KeyAlgorithm::MlDsa44
            | KeyAlgorithm::MlDsa65
            | KeyAlgorithm::MlDsa87
            | KeyAlgorithm::SlhDsaSha2_128s
            | KeyAlgorithm::SlhDsaSha2_128f
            | KeyAlgorithm::SlhDsaSha2_192f
            | KeyAlgorithm::SlhDsaSha2_256f
            | KeyAlgorithm::SlhDsaShake128f => Self::PostQuantum,
        }
    }

    /// The root's name in the configuration and under `/pki/`.
    #[must_use]
    pub fn root(self) -> &'static str {
        match self {
            Self::EllipticCurve => "root",
            Self::Rsa => "rsa-root",
            Self::PostQuantum => "pq-root",
        }
    }

    /// The time-stamping CA's name in the configuration and under `/pki/`.
    #[must_use]
    pub fn timestamping_ca(self) -> &'static str {
        match self {
            Self::EllipticCurve => "tsa-ca",
            Self::Rsa => "rsa-tsa-ca",
            Self::PostQuantum => "pq-tsa-ca",
        }
    }

    fn root_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::EllipticCurve => KeyAlgorithm::EcdsaP384,
            Self::Rsa => KeyAlgorithm::Rsa4096,
            Self::PostQuantum => KeyAlgorithm::MlDsa87,
        }
    }

    fn timestamping_ca_algorithm(self) -> KeyAlgorithm {
        match self {
            Self::EllipticCurve => KeyAlgorithm::EcdsaP384,
            Self::Rsa => KeyAlgorithm::Rsa3072,
            Self::PostQuantum => KeyAlgorithm::MlDsa65,
        }
    }
}

/// The organisation that the certificates name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// ISO 3166 code of two letters.
    pub country: String,
    /// Full registered name.
    pub name: String,
    /// Registration number (organizationIdentifier), as `VATBE-0876866142`.
    pub identifier: Option<String>,
}

impl Organization {
    /// The subject with this common name.
    ///
    /// # Errors
    /// [`HierarchyError::Subject`] if a part of it breaks a rule of X.520 or EN 319 422.
    pub fn subject(&self, common_name: &str) -> Result<Subject, HierarchyError> {
        let fields = SubjectFields {
            country: &self.country,
            organization: &self.name,
            organization_identifier: self.identifier.as_deref(),
            common_name,
        };
        Ok(Subject::new(fields)?)
    }
}

/// A key in a token together with the names by which the configuration knows it.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// What the token says of it.
    pub info: KeyInfo,
    /// Its URI.
    pub uri: Pkcs11Uri,
}

/// Makes a key with a fresh random CKA_ID.
///
/// # Errors
/// [`HierarchyError::Hsm`].
pub fn make_key(token: &Token, algorithm: KeyAlgorithm, label: &str) -> Result<MadeKey, HierarchyError> {
    let id = KeyId::random()?;
    let info = token.generate(algorithm, &id, label)?;
    let uri = Pkcs11Uri::for_token(&token.info()?.label).with_id(id);
    tracing::info!(label, algorithm = %algorithm, "key generated");
    Ok(MadeKey { info, uri })
}

/// One CA with its key in reach.
#[derive(Debug)]
pub struct CertificationAuthority<'a> {
    token: &'a Token,
    key: KeyInfo,
    certificate: CertificateDer<'static>,
    issuer: Issuer,
}

impl<'a> CertificationAuthority<'a> {
    /// The CA of a certificate and the key for it.
    ///
    /// # Errors
    /// [`HierarchyError::Issuer`] if it is no CA's certificate, [`HierarchyError::KeyMismatch`] if it is for another
    /// key.
    pub fn new(
        token: &'a Token,
        key: KeyInfo,
        certificate: CertificateDer<'static>,
    ) -> Result<Self, HierarchyError> {
        let issuer = Issuer::from_certificate(&certificate)?;
        if issuer.spki_der() != key.spki_der {
            return Err(HierarchyError::KeyMismatch);
        }
        Ok(Self { token, key, certificate, issuer })
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate, read.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// How its key signs.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        signature_algorithm(self.key.algorithm.scheme())
    }

    /// Signs with its key and verifies the signature.
    ///
    /// # Errors
    /// [`HierarchyError::Hsm`], or [`HierarchyError::Signature`] if the token gave a wrong signature.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HierarchyError> {
        sign(self.token, &self.key, message)
    }
}

/// Signs with a key and verifies the signature with its public half.
///
/// # Errors
/// [`HierarchyError::Hsm`], or [`HierarchyError::Signature`] if the token gave a wrong signature.
pub fn sign(token: &Token, key: &KeyInfo, message: &[u8]) -> Result<Vec<u8>, HierarchyError> {
    let signature = token.sign_once(&key.id, message)?;
    signature_algorithm(key.algorithm.scheme()).verify(&key.spki_der, message, &signature)?;
    Ok(signature)
}

/// Where a CA publishes its certificate and CRL, if anywhere.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    certificate_url: Option<String>,
    crl_url: Option<String>,
}

impl Publication {
    /// The addresses of CA `name` below `public_url`.
    #[must_use]
    pub fn of(public_url: Option<&str>, name: &str) -> Self {
        let below = |ending: &str| public_url.map(|url| format!("{url}/pki/{name}.{ending}"));
        // RFC 5280 §4.2.2.1: caIssuers leads to one certificate in DER, not to PEM.
        Self { certificate_url: below("cer"), crl_url: below("crl") }
    }

    fn certificate(&self) -> Result<Option<PublicUrl<'_>>, HierarchyError> {
        Ok(self.certificate_url.as_deref().map(PublicUrl::new).transpose()?)
    }

    fn crl(&self) -> Result<Option<PublicUrl<'_>>, HierarchyError> {
        Ok(self.crl_url.as_deref().map(PublicUrl::new).transpose()?)
    }
}

/// What `init` and `tsu new` make a hierarchy with.
#[derive(Debug)]
pub struct Maker<'a> {
    /// Where certificates go.
    pub layout: &'a Layout,
    /// The token for the keys.
    pub token: &'a Token,
    /// The token's name in the configuration.
    pub token_name: &'a str,
    /// Who the certificates name.
    pub organization: &'a Organization,
    /// The address for CRLs and certificates, without a slash at its end.
    pub public_url: Option<&'a str>,
    /// The time of issuance.
    pub now: UnixTime,
}

impl Maker<'_> {
    /// Makes the root and the time-stamping CA of a family, writes their certificates, and returns their tables for
    /// the configuration.
    ///
    /// # Errors
    /// [`HierarchyError`].
    pub fn hierarchy(&self, family: Family) -> Result<String, HierarchyError> {
        let name = &self.organization.name;
        let suffix = match family {
            Family::EllipticCurve => "",
            Family::Rsa => " RSA",
            Family::PostQuantum => " PQ",
        };
        let root_name = family.root();
        let key = make_key(self.token, family.root_algorithm(), &format!("attestamp {root_name}"))?;
        let unsigned = UnsignedCertificate::root(RootParameters {
            subject: &self.organization.subject(&clipped(name, &format!(" Root{suffix}")))?,
            spki_der: &key.info.spki_der,
            signature_algorithm: signature_algorithm(key.info.algorithm.scheme()),
            serial: &random_serial()?,
            validity: self.days(ROOT_DAYS)?,
        })?;
        let signature = sign(self.token, &key.info, unsigned.to_be_signed())?;
        let certificate = unsigned.attach(&signature)?;
        self.write_certificates(self.layout.ca_certificate(root_name), &[&certificate])?;
        let root_table = self.table(root_name, &key.uri, None, ROOT_CRL_DAYS);
        let root = CertificationAuthority::new(self.token, key.info, certificate)?;

        let ca_name = family.timestamping_ca();
        let key = make_key(self.token, family.timestamping_ca_algorithm(), &format!("attestamp {ca_name}"))?;
        let publication = Publication::of(self.public_url, root_name);
        let unsigned = UnsignedCertificate::timestamping_ca(TimestampingCaParameters {
            issuer: root.issuer(),
            signature_algorithm: root.signature_algorithm(),
            subject: &self.organization.subject(&clipped(name, &format!(" Time-Stamping CA{suffix}")))?,
            spki_der: &key.info.spki_der,
            serial: &random_serial()?,
            validity: self.days(CA_DAYS)?,
            issuer_crl_url: publication.crl()?,
            issuer_certificate_url: publication.certificate()?,
        })?;
        let signature = root.sign(unsigned.to_be_signed())?;
        let certificate = unsigned.attach(&signature)?;
        self.write_certificates(self.layout.ca_certificate(ca_name), &[&certificate])?;
        let ca_table = self.table(ca_name, &key.uri, Some(root_name), CA_CRL_DAYS);
        Ok(root_table + &ca_table)
    }

    /// Issues a TSU's certificate and writes it with those above it.
    ///
    /// # Errors
    /// [`HierarchyError`].
    pub fn tsu_certificate(
        &self,
        name: &str,
        key: &KeyInfo,
        ca: &CertificationAuthority<'_>,
        above: &[CertificateDer<'static>],
        life: TsuLife,
    ) -> Result<PathBuf, HierarchyError> {
        let publication = Publication::of(self.public_url, Family::of(key.algorithm).timestamping_ca());
        let unsigned = UnsignedCertificate::tsu(TsuParameters {
            issuer: ca.issuer(),
            signature_algorithm: ca.signature_algorithm(),
            subject: &self.tsu_subject(name, key)?,
            spki_der: &key.spki_der,
            serial: &random_serial()?,
            validity: self.days(life.certificate_days)?,
            private_key_usage_not_after: after(self.now, life.key_usage_days),
            policies: &[],
            issuer_crl_url: publication.crl()?,
            issuer_certificate_url: publication.certificate()?,
        })?;
        let signature = ca.sign(unsigned.to_be_signed())?;
        let certificate = unsigned.attach(&signature)?;
        let mut chain = vec![&certificate, ca.certificate()];
        chain.extend(above);
        let path = self.layout.tsu_chain(name);
        self.write_certificates(path.clone(), &chain)?;
        tracing::info!(tsu = name, key_usage_days = life.key_usage_days, "TSU certificate issued");
        Ok(path)
    }

    /// The subject of a TSU: its common name carries the beginning of its key's id, so that it is the TSU's alone
    /// (EN 319 422 §6.2), also after a renewal under the same name.
    ///
    /// # Errors
    /// [`HierarchyError::Subject`].
    pub fn tsu_subject(&self, name: &str, key: &KeyInfo) -> Result<Subject, HierarchyError> {
        let id = crate::hex::encode(key.id.as_bytes());
        let id = id.get(..8).unwrap_or(&id);
        self.organization.subject(&format!("TSU {name} {id}"))
    }

    fn days(&self, days: u64) -> Result<Validity, HierarchyError> {
        Ok(Validity::new(self.now, after(self.now, days))?)
    }

    fn table(&self, name: &str, key: &Pkcs11Uri, issuer: Option<&str>, crl_days: u32) -> String {
        CaTable { name, token: self.token_name, key: &key.to_string(), issuer, crl_days }.to_toml()
    }

    fn write_certificates(&self, path: PathBuf, chain: &[&CertificateDer<'_>]) -> Result<(), HierarchyError> {
        let text: String = chain.iter().map(|der| pem::to_pem(PemLabel::Certificate, der)).collect();
        write_atomically(&path, text.as_bytes(), FILE_MODE)
            .map_err(|source| HierarchyError::Unwritable { path, source })
    }
}

/// How long a TSU's certificate is valid and its key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TsuLife {
    /// Validity of the certificate: tokens can be verified that long without further evidence.
    pub certificate_days: u64,
    /// How long the key signs; less than the certificate's validity (EN 319 421 7.6.7-02).
    pub key_usage_days: u64,
}

/// The accuracy that a TSU with such a key should claim, where the default leaves too little time for a signature.
#[must_use]
pub fn accuracy_seconds(algorithm: KeyAlgorithm) -> Option<u32> {
    algorithm.is_slow().then_some(SLOW_ACCURACY_SECONDS)
}

/// `days` after `from`.
#[must_use]
pub fn after(from: UnixTime, days: u64) -> UnixTime {
    let seconds = from.as_secs().saturating_add(days.saturating_mul(SECONDS_A_DAY));
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// A serial number of 16 random octets.
///
/// # Errors
/// [`HierarchyError::Random`].
pub fn random_serial() -> Result<CertificateSerial, HierarchyError> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|source| HierarchyError::Random { source })?;
    Ok(CertificateSerial::from_random(octets))
}

/// `name` with `ending`, within the 64 characters that X.520 gives a common name.
pub(crate) fn clipped(name: &str, ending: &str) -> String {
    let room = 64_usize.saturating_sub(ending.chars().count());
    let clipped: String = name.chars().take(room).collect();
    format!("{}{ending}", clipped.trim_end())
}
