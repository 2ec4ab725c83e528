//! Key attestation: the keys that attest others, what they sign, and where it is kept.
//!
//! An [`Attester`] has the attestation key of each chain in reach. It reads what the token says of a key, now, and signs
//! that. Nothing here is on the path of a timestamp request: an attestation is made by whoever asks for one, on a thread
//! of its own, and a TSU issues while that takes its time.
//!
//! The host asserts all of it (D11): it could make the attestation key sign anything. Only where evidence of the vendor's
//! device says the same, and was verified, is a claim the device's own.

pub mod archive;
pub mod claims;
mod error;
pub mod evidence;
pub mod hierarchy;
pub mod served;
pub mod stored;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use attestamp_attestation::{
    AttestationClock, AttestationParameters, Certificate, ChainKind, Claims, KeyEnd, KeyPolicy, Nonce,
    UnsignedCertificate,
};
use attestamp_certs::pem;
use attestamp_certs::{CertificateDer, OrganizationNames, SubjectFields, UnixTime, Validity};
use attestamp_hsm::{KeyInfo, Pkcs11Uri, PoolConfig, SigningPool, Token};

use crate::config::{AttestationConfig, Config};
use crate::data_folder::Layout;
use crate::hierarchy::{clipped, random_serial, sign};
use crate::tokens::Tokens;
use crate::tsu::signature_algorithm;

pub use error::AttestationError;
pub use evidence::KeyEvidence;

/// An attestation begins so long before it was made, where the chain allows it: the auditor's clock may be behind.
const CLOCK_ALLOWANCE: Duration = Duration::from_secs(300);

/// One for the attestation at hand, and one for the look that a pool has at its key now and then.
const SESSIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// One chain with its attestation key in reach.
#[derive(Debug)]
struct Chain {
    key: KeyInfo,
    /// In a server: a signature by the stored key itself would hold up all who sign with the token meanwhile.
    pool: Option<SigningPool>,
    /// The attestation key's certificate, the device's, and those above it but the root.
    certificates: Vec<Certificate>,
    /// The root that auditors pin.
    root: Certificate,
}

/// The attestation keys of one token.
#[derive(Debug)]
pub struct Attester {
    token: Arc<Token>,
    token_name: String,
    chains: BTreeMap<ChainKind, Chain>,
    /// Chains whose device has no certificate yet.
    waiting: Vec<ChainKind>,
    /// What evidence is verified with.
    vendor_roots: Vec<CertificateDer<'static>>,
    /// Whether a file of those could not be read.
    lacks_vendor_roots: bool,
}

/// A key that is to be attested.
#[derive(Debug, Clone)]
pub struct AttestedKey {
    /// The TSU's name.
    pub name: String,
    /// The key in the token.
    pub uri: Pkcs11Uri,
    /// What it is used for; `None` while its TSU has no certificate.
    pub policy: Option<KeyPolicy>,
    /// What its vendor's device says of it.
    pub evidence: Vec<KeyEvidence>,
}

/// When an attestation is made, and on what occasion.
#[derive(Debug, Clone, Default)]
pub struct Occasion {
    /// The auditor's nonce.
    pub nonce: Option<Nonce>,
    /// The end of the key's use.
    pub end: Option<KeyEnd>,
}

/// The time of an attestation, and what it is worth.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: UnixTime,
    /// Whose clock that is.
    pub clock: AttestationClock,
}

impl Moment {
    /// A time that nothing checked.
    #[must_use]
    pub fn unassured(now: UnixTime) -> Self {
        Self { now, clock: AttestationClock::HostUnassured }
    }
}

impl Attester {
    /// Opens the token with the attestation keys and reads their chains; `None` where the configuration names none.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn open(
        layout: &Layout,
        config: &Config,
        tokens: &mut Tokens,
    ) -> Result<Option<Self>, AttestationError> {
        let Some(attestation) = &config.attestation else { return Ok(None) };
        let token = tokens.open(&config.tokens, &attestation.token)?;
        let mut chains = BTreeMap::new();
        let mut waiting = Vec::new();
        for (kind, keys) in &attestation.chains {
            let (asked, uri) = (Arc::clone(&token), keys.key.clone());
            let key = tokens.ask(&attestation.token, move || asked.find_uri(&uri))??;
            match read_chain(layout, *kind, &key)? {
                Some(certificates) => {
                    let path = layout.attestation_file(*kind, hierarchy::file::DEVICE_ROOT);
                    let root = read_certificates(path.clone())?.into_iter().next();
                    let root = root.ok_or(AttestationError::NoCertificate { path })?;
                    chains.insert(*kind, Chain { key, pool: None, certificates, root });
                }
                None => waiting.push(*kind),
            }
        }
        let mut vendor_roots = Vec::new();
        let mut lacks_vendor_roots = false;
        for path in &attestation.vendor_roots {
            match read_ders(path.clone()) {
                Ok(ders) => vendor_roots.extend(ders),
                Err(error) => {
                    // Without it the claims stay the host's word, which is less than they could be, and true.
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::error!(error, "a file of vendor-roots is not used");
                    lacks_vendor_roots = true;
                }
            }
        }
        let attester = Self {
            token,
            token_name: attestation.token.clone(),
            chains,
            waiting,
            vendor_roots,
            lacks_vendor_roots,
        };
        attester.check_keys(layout, config)?;
        Ok(Some(attester))
    }

    /// Holds a session open for each attestation key, for a server that is asked for attestations.
    ///
    /// # Errors
    /// [`AttestationError::Hsm`], [`AttestationError::Token`].
    pub fn with_pools(mut self, tokens: &mut Tokens) -> Result<Self, AttestationError> {
        for chain in self.chains.values_mut() {
            let config = PoolConfig { sessions: SESSIONS, holds_module: false, ..PoolConfig::default() };
            let (asked, id, spki) =
                (Arc::clone(&self.token), chain.key.id.clone(), chain.key.spki_der.clone());
            let open = move || asked.signing_pool(&id, &spki, config);
            chain.pool = Some(tokens.ask(&self.token_name, open)??);
        }
        Ok(self)
    }

    /// One that is thrown away after a trial, with a chain that is not on disk yet.
    fn trial(
        token: Arc<Token>,
        token_name: &str,
        kind: ChainKind,
        key: KeyInfo,
        certificates: Vec<Certificate>,
        root: Certificate,
    ) -> Self {
        Self {
            token,
            token_name: token_name.to_owned(),
            chains: BTreeMap::from([(kind, Chain { key, pool: None, certificates, root })]),
            waiting: Vec::new(),
            vendor_roots: Vec::new(),
            lacks_vendor_roots: false,
        }
    }

    /// The chains that attestations can be made under.
    pub fn kinds(&self) -> impl Iterator<Item = ChainKind> {
        self.chains.keys().copied()
    }

    /// The chains whose device has no certificate yet.
    #[must_use]
    pub fn waiting(&self) -> &[ChainKind] {
        &self.waiting
    }

    /// The attestation key's certificate, the device's, and those above it but the root; empty for a chain that waits.
    #[must_use]
    pub fn chain(&self, kind: ChainKind) -> &[Certificate] {
        self.chains.get(&kind).map_or(&[], |chain| &chain.certificates)
    }

    /// Whether every certificate of a chain was signed with a post-quantum algorithm. An organisation's CA may have signed
    /// the device's with another.
    #[must_use]
    pub fn is_post_quantum(&self, kind: ChainKind) -> bool {
        let chain = self.chain(kind);
        !chain.is_empty()
            && chain.iter().all(|certificate| certificate.signature_algorithm().is_post_quantum())
    }

    /// The root of a chain, which auditors pin; `None` for a chain that waits.
    #[must_use]
    pub fn root(&self, kind: ChainKind) -> Option<&Certificate> {
        self.chains.get(&kind).map(|chain| &chain.root)
    }

    /// Whether a file of `vendor-roots` could not be read.
    #[must_use]
    pub fn lacks_vendor_roots(&self) -> bool {
        self.lacks_vendor_roots
    }

    /// What evidence of the device's vendor is verified with.
    #[must_use]
    pub fn vendor_roots(&self) -> &[CertificateDer<'static>] {
        &self.vendor_roots
    }

    /// Whether a token's keys are attested here.
    #[must_use]
    pub fn is_of_token(&self, name: &str) -> bool {
        self.token_name == name
    }

    /// Asks the token for a key and attests what it says under one chain.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn attest(
        &self,
        kind: ChainKind,
        attested: &AttestedKey,
        occasion: Occasion,
        moment: Moment,
    ) -> Result<CertificateDer<'static>, AttestationError> {
        let (claims, key) = self.claims(attested, occasion, moment)?;
        self.sign_claims(kind, attested, &claims, &key)
    }

    /// What the token says of a key now.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn claims(
        &self,
        attested: &AttestedKey,
        occasion: Occasion,
        moment: Moment,
    ) -> Result<(Claims, KeyInfo), AttestationError> {
        let key = self.token.find_uri(&attested.uri)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(moment.now.as_secs()));
        let platform = claims::platform(&self.token.info()?);
        let (evidence, roots) = (&attested.evidence, &self.vendor_roots);
        let claims = Claims {
            assurance: evidence::assurance(evidence, roots, &key.spki_der, &platform, now),
            attested_at: now,
            clock: moment.clock,
            nonce: occasion.nonce,
            key: claims::key_claims(&key),
            platform,
            policy: attested.policy.clone(),
            evidence: attested.evidence.iter().map(KeyEvidence::claim).collect(),
            end: occasion.end,
        };
        Ok((claims, key))
    }

    /// Signs claims that [`Attester::claims`] gave.
    ///
    /// # Errors
    /// [`AttestationError`].
    pub fn sign_claims(
        &self,
        kind: ChainKind,
        attested: &AttestedKey,
        claims: &Claims,
        key: &KeyInfo,
    ) -> Result<CertificateDer<'static>, AttestationError> {
        let chain = self.chains.get(&kind).ok_or(AttestationError::NoChain { kind })?;
        let issuer = chain.certificates.first().ok_or(AttestationError::NoChain { kind })?;
        let names = OrganizationNames::from_name_der(issuer.subject_der())?;
        let id = crate::hex::encode(key.id.as_bytes());
        let ending = format!(" {}", id.get(..8).unwrap_or(&id));
        let subject = attestamp_certs::Subject::new(SubjectFields {
            country: names.country.as_deref().unwrap_or("ZZ"),
            organization: names.organization.as_deref().unwrap_or("attestamp evaluation"),
            organization_identifier: names.organization_identifier.as_deref(),
            common_name: &clipped(&format!("Attestation of {}", attested.name), &ending),
        })?;
        let begin = claims.attested_at.as_secs().saturating_sub(CLOCK_ALLOWANCE.as_secs());
        let begin =
            UnixTime::since_unix_epoch(Duration::from_secs(begin)).max(issuer.validity().not_before());
        let unsigned = UnsignedCertificate::attestation(AttestationParameters {
            issuer,
            signature_algorithm: signature_algorithm(chain.key.algorithm.scheme()),
            subject: &subject,
            spki_der: &key.spki_der,
            serial: &random_serial()?,
            validity: Validity::new(begin, issuer.validity().not_after())?,
            claims,
        })?;
        let signature = match &chain.pool {
            Some(pool) => {
                let to_be_signed = unsigned.to_be_signed();
                // A module that was started again meanwhile: this pool notices when it is needed.
                let signature = pool.sign_now(to_be_signed).or_else(|_| {
                    let _ = pool.wait_while_recovering(pool.deadline());
                    pool.sign_now(to_be_signed)
                })?;
                unsigned.signature_algorithm().verify(
                    &chain.key.spki_der,
                    unsigned.to_be_signed(),
                    &signature,
                )?;
                signature.into_octets()
            }
            None => sign(&self.token, &chain.key, unsigned.to_be_signed())?,
        };
        Ok(unsigned.attach(&signature)?)
    }

    /// D10: no attestation key, device key, TSU key or CA key is any other of them. Two TSUs that share a key are the
    /// operator's affair.
    fn check_keys(&self, layout: &Layout, config: &Config) -> Result<(), AttestationError> {
        let mut known: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        let mut add = |spki: Vec<u8>, office: String| match known.insert(spki, office.clone()) {
            Some(first) => Err(AttestationError::SharedKey { first: first.into(), second: office.into() }),
            None => Ok(()),
        };
        for (kind, chain) in &self.chains {
            for (certificate, office) in chain.certificates.iter().zip(["attestation", "device"]) {
                add(certificate.spki_der().to_vec(), format!("the {kind} {office} key"))?;
            }
        }
        for name in config.authorities.keys() {
            // A CA whose file cannot be read is the business of those who issue with it.
            let certificates = read_certificates(layout.ca_certificate(name)).unwrap_or_default();
            if let Some(certificate) = certificates.first() {
                add(certificate.spki_der().to_vec(), format!("the key of CA `{name}`"))?;
            }
        }
        for (name, tsu) in config.tsus.iter().filter(|(_, tsu)| self.is_of_token(&tsu.token)) {
            let Ok(key) = self.token.find_uri(&tsu.key) else { continue };
            if let Some(first) = known.get(&key.spki_der) {
                let (first, second) = (first.as_str().into(), format!("the key of TSU `{name}`").into());
                return Err(AttestationError::SharedKey { first, second });
            }
        }
        Ok(())
    }
}

/// The chain of an attestation key; `None` where it waits for the device's certificate.
fn read_chain(
    layout: &Layout,
    kind: ChainKind,
    key: &KeyInfo,
) -> Result<Option<Vec<Certificate>>, AttestationError> {
    let path = layout.attestation_file(kind, hierarchy::file::CHAIN);
    if !path.exists() && layout.attestation_file(kind, hierarchy::file::DEVICE_REQUEST).exists() {
        return Ok(None);
    }
    let certificates = read_certificates(path.clone())?;
    match certificates.first() {
        Some(certificate) if certificate.spki_der() == key.spki_der => Ok(Some(certificates)),
        Some(_) => Err(AttestationError::KeyMismatch { path }),
        None => Err(AttestationError::NoCertificate { path }),
    }
}

/// The certificates of a PEM file, decoded.
///
/// # Errors
/// [`AttestationError`].
pub fn read_certificates(path: PathBuf) -> Result<Vec<Certificate>, AttestationError> {
    let ders = read_ders(path.clone())?;
    let parsed: Result<Vec<_>, _> = ders.iter().map(|der| Certificate::parse(der)).collect();
    parsed.map_err(|source| AttestationError::Certificate { path, source })
}

fn read_ders(path: PathBuf) -> Result<Vec<CertificateDer<'static>>, AttestationError> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(AttestationError::Unreadable { path, source }),
    };
    pem::certificates_from_pem(&text).map_err(|_| AttestationError::NoCertificate { path })
}

/// The keys of the configuration that can be attested, those of retired TSUs left out.
#[must_use]
pub fn attested_keys(layout: &Layout, config: &Config, now: UnixTime) -> Vec<AttestedKey> {
    let Some(AttestationConfig { token, .. }) = &config.attestation else { return Vec::new() };
    let own = config.tsus.iter().filter(|(_, tsu)| !tsu.retired && tsu.token == *token);
    own.map(|(name, _)| attested_key(layout, config, name, now)).collect()
}

/// One TSU's key.
fn attested_key(layout: &Layout, config: &Config, name: &str, now: UnixTime) -> AttestedKey {
    let tsu = config.tsus.get(name);
    let chain = crate::tsu::CertificateChain::load(name, layout, now).ok();
    let not_after = chain.map(|chain| crate::tsu::key_not_after(chain.leaf()));
    AttestedKey {
        name: name.to_owned(),
        uri: tsu.map(|tsu| tsu.key.clone()).unwrap_or_default(),
        policy: tsu.zip(not_after).map(|(tsu, not_after)| claims::tsu_policy(name, tsu, not_after)),
        evidence: evidence::of_key(layout, name),
    }
}
