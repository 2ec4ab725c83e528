//! CRLs: issued by `init`, by `tsu retire`, and by the server before the last one expires.
//!
//! A list is due at half of its life, so that a CA key that is out of reach for days does no harm. The next list carries
//! on the number and the entries of the one on disk.

use std::path::Path;

use attestamp_certs::{
    CertificateRevocationListDer, CertificateSerial, Crl, CrlParameters, RevocationReason,
    RevokedCertificate, UnixTime, UnsignedCrl, pem,
};

use attestamp_hsm::Token;

use crate::config::{CaConfig, Config};
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{CertificationAuthority, HierarchyError, after};
use crate::tokens::{TokenError, Tokens};

/// Why a CRL is not issued.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// The configuration has no such CA.
    #[error("there is no [ca.{name}] in attestamp.toml")]
    Unknown {
        /// The name looked for.
        name: Box<str>,
    },
    /// The CA's token cannot be opened.
    #[error("the key of CA `{name}` is out of reach")]
    Token {
        /// The CA's name.
        name: Box<str>,
        /// Why.
        #[source]
        source: TokenError,
    },
    /// The CA's certificate or the last CRL cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: Box<Path>,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The CA's file has no certificate.
    #[error("{} does not hold a certificate", path.display())]
    NoCertificate {
        /// The file.
        path: Box<Path>,
    },
    /// The list cannot be made or signed.
    #[error("the CRL of CA `{name}` cannot be made")]
    Issue {
        /// The CA's name.
        name: Box<str>,
        /// Why.
        #[source]
        source: HierarchyError,
    },
}

/// A certificate to be revoked.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// Its serial number.
    pub serial: CertificateSerial,
    /// Why. A TSU that ends in order is `cessationOfOperation`: its tokens stay good.
    pub reason: RevocationReason,
}

/// Issues the CRL of every CA whose last one is missing or past half of its life. Returns how many were issued.
///
/// # Errors
/// The first CA that fails. The others are done all the same: a root's key may be out of reach for months.
pub fn reissue_due(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    now: UnixTime,
) -> Result<usize, CrlError> {
    let mut issued = 0;
    let mut failed = None;
    for name in config.authorities.keys() {
        match reissue_if_due(layout, config, tokens, name, now) {
            Ok(true) => issued += 1,
            Ok(false) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(issued), Err)
}

fn reissue_if_due(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    name: &str,
    now: UnixTime,
) -> Result<bool, CrlError> {
    let due = last(layout, name)?.is_none_or(|crl| {
        let life = crl.next_update().as_secs().saturating_sub(crl.this_update().as_secs());
        now.as_secs() >= crl.this_update().as_secs().saturating_add(life / 2)
    });
    if due {
        issue(layout, config, tokens, name, None, now)?;
    }
    Ok(due)
}

/// Issues the next CRL of CA `name`, with one more revocation if there is one.
///
/// # Errors
/// [`CrlError`].
pub fn issue(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    name: &str,
    revocation: Option<&Revocation>,
    now: UnixTime,
) -> Result<(), CrlError> {
    let ca_config = config.authorities.get(name).ok_or_else(|| CrlError::Unknown { name: name.into() })?;
    let issue_error = |source| CrlError::Issue { name: name.into(), source };
    let token = tokens
        .open(&config.tokens, &ca_config.token)
        .map_err(|source| CrlError::Token { name: name.into(), source })?;
    let before = last(layout, name)?;
    let mut revoked = before.as_ref().map(|crl| crl.revoked().to_vec()).unwrap_or_default();
    if let Some(Revocation { serial, reason }) = revocation
        && !revoked.iter().any(|entry| entry.serial == *serial)
    {
        revoked.push(RevokedCertificate { serial: serial.clone(), revoked_at: now, reason: Some(*reason) });
    }
    let number = before.map_or(1, |crl| crl.number().saturating_add(1));
    let entries = revoked.len();
    let sign = {
        let (layout, name, ca_config) = (layout.clone(), name.to_owned(), ca_config.clone());
        move || signed(&layout, &name, &ca_config, &token, number, &revoked, now)
    };
    let crl = tokens
        .ask(&ca_config.token, sign)
        .map_err(|source| CrlError::Token { name: name.into(), source })??;
    let path = layout.ca_revocation_list(name);
    write_atomically(&path, &crl, FILE_MODE)
        .map_err(|source| issue_error(HierarchyError::Unwritable { path, source }))?;
    tracing::info!(ca = name, number, revoked = entries, "CRL issued");
    Ok(())
}

/// The list, signed. It asks the token.
fn signed(
    layout: &Layout,
    name: &str,
    config: &CaConfig,
    token: &Token,
    number: u64,
    revoked: &[RevokedCertificate],
    now: UnixTime,
) -> Result<CertificateRevocationListDer<'static>, CrlError> {
    let issue_error = |source| CrlError::Issue { name: name.into(), source };
    let ca = authority(layout, name, config, token)?;
    let unsigned = UnsignedCrl::build(CrlParameters {
        issuer: ca.issuer(),
        signature_algorithm: ca.signature_algorithm(),
        this_update: now,
        next_update: after(now, u64::from(config.crl_days)),
        number,
        revoked,
    })
    .map_err(|source| issue_error(source.into()))?;
    let signature = ca.sign(unsigned.to_be_signed()).map_err(issue_error)?;
    unsigned.attach(&signature).map_err(|source| issue_error(source.into()))
}

/// The CA of that name, with its key in reach.
///
/// # Errors
/// [`CrlError`].
pub fn authority<'a>(
    layout: &Layout,
    name: &str,
    config: &CaConfig,
    token: &'a Token,
) -> Result<CertificationAuthority<'a>, CrlError> {
    let issue_error = |source| CrlError::Issue { name: name.into(), source };
    let path = layout.ca_certificate(name);
    let text = std::fs::read_to_string(&path)
        .map_err(|source| CrlError::Unreadable { path: path.as_path().into(), source })?;
    let certificate = pem::certificates_from_pem(&text)
        .ok()
        .and_then(|certificates| certificates.into_iter().next())
        .ok_or_else(|| CrlError::NoCertificate { path: path.into() })?;
    let key = token.find_uri(&config.key).map_err(|source| issue_error(source.into()))?;
    CertificationAuthority::new(token, key, certificate).map_err(issue_error)
}

/// The last CRL of a CA; `None` if there is none yet.
fn last(layout: &Layout, name: &str) -> Result<Option<Crl>, CrlError> {
    let path = layout.ca_revocation_list(name);
    match std::fs::read(&path) {
        Ok(der) => match Crl::parse(&der) {
            Ok(crl) => Ok(Some(crl)),
            Err(source) => Err(CrlError::Issue { name: name.into(), source: source.into() }),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CrlError::Unreadable { path: path.into(), source }),
    }
}
