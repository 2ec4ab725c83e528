//! The attestations on disk, one a key and chain: renewed when what the token says has changed, kept when a key ends.
//!
//! Nothing is ever written over that could be all that is left of a key: what its TSU does not use any more, what cannot be
//! read, and what a former chain signed is moved aside under a name that says so.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use attestamp_attestation::{BundlePath, Certificate, ChainKind, Claims, KeyEnd, KeyEndState, verify};
use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{CertificateDer, UnixTime};
use attestamp_hsm::{HsmError, KeyId, Pkcs11Uri};

use super::{
    AttestationError, AttestedKey, Attester, Moment, Occasion, evidence, hierarchy, read_certificates,
};
use crate::config::Config;
use crate::data_folder::{FILE_MODE, FOLDER_MODE, Layout, write_atomically};

/// Attests a key under every chain whose stored attestation is missing, does not hold, or says something else than the
/// token does now. Returns how many were made.
///
/// # Errors
/// [`AttestationError`]; what was stored before stays.
pub fn renew_if_changed(
    layout: &Layout,
    attester: &Attester,
    attested: &AttestedKey,
    moment: Moment,
) -> Result<usize, AttestationError> {
    let (claims, key) = attester.claims(attested, Occasion::default(), moment)?;
    let mut made = 0;
    for kind in attester.kinds() {
        let stored = match load(layout, kind, &attested.name) {
            Err(error @ (AttestationError::NoCertificate { .. } | AttestationError::Certificate { .. })) => {
                let kept = set_aside(layout, kind, &attested.name, "damaged", moment.now)?;
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, kept = %kept.display(), "a stored attestation is damaged: it is made again");
                None
            }
            loaded => loaded?,
        };
        let is_current = |stored: &Certificate| {
            stored.spki_der() == key.spki_der
                && attester
                    .root(kind)
                    .is_some_and(|root| verify(stored, attester.chain(kind), root, moment.now).is_ok())
                && says_the_same(stored, &claims)
        };
        if !stored.as_ref().is_some_and(is_current) {
            if let Some(stored) = stored {
                if stored.spki_der() != key.spki_der {
                    keep_beside(layout, attester, &attested.name, moment)?;
                } else if claims_of(&stored).is_some_and(|claims| claims.end.is_some()) {
                    // The TSU is in use again: what was said of its end is not unsaid by that.
                    set_aside(layout, kind, &attested.name, "ended", moment.now)?;
                }
            }
            let certificate = attester.sign_claims(kind, attested, &claims, &key)?;
            store(layout, kind, &attested.name, &certificate)?;
            tracing::info!(tsu = attested.name, chain = %kind, "key attested");
            made += 1;
        }
    }
    Ok(made)
}

/// Makes and stores the last attestation of a TSU's key, whose use ends. For a key that was retired before and is
/// destroyed now, the end of its use stays the first; one that is gone already keeps the attestation that it has.
///
/// # Errors
/// [`AttestationError`]; what was stored before stays.
pub fn attest_end(
    layout: &Layout,
    config: &Config,
    attester: &Attester,
    name: &str,
    end: KeyEnd,
) -> Result<(), AttestationError> {
    let Some(tsu) = config.tsus.get(name).filter(|tsu| attester.is_of_token(&tsu.token)) else {
        return Ok(());
    };
    let now = end.time;
    let before: BTreeMap<ChainKind, Option<KeyEnd>> = attester
        .kinds()
        .map(|kind| (kind, stored_claims(layout, kind, name).and_then(|it| it.end)))
        .collect();
    let first = before.values().flatten().map(|before| before.time).min();
    let end = KeyEnd { time: first.map_or(now, |first| first.min(now)), state: end.state };
    if before.values().all(|before| *before == Some(end)) {
        return Ok(());
    }
    let attested = super::attested_key(layout, config, name, now);
    let moment = Moment::unassured(now);
    let (claims, key) = match attester.claims(&attested, Occasion { nonce: None, end: Some(end) }, moment) {
        Err(AttestationError::Hsm(HsmError::KeyMissing { .. })) if tsu.retired => return Ok(()),
        asked => asked?,
    };
    // All are signed before any is stored: the chains must say the same.
    let made: Result<Vec<_>, _> = attester
        .kinds()
        .map(|kind| Ok((kind, attester.sign_claims(kind, &attested, &claims, &key)?)))
        .collect();
    made.and_then(|made| made.iter().try_for_each(|(kind, der)| store(layout, *kind, name, der)))
}

/// Keeps the attestations of a key that its TSU has exchanged for another, under the TSU's name with the beginning of the
/// key's id behind it, its evidence with them: the tokens that it signed stay auditable. Where the key is still in the
/// token it is attested once more, with its end.
fn keep_beside(
    layout: &Layout,
    attester: &Attester,
    name: &str,
    moment: Moment,
) -> Result<(), AttestationError> {
    let stored = ChainKind::ALL.into_iter().find_map(|kind| stored_claims(layout, kind, name));
    let Some(claims) = stored else { return Ok(()) };
    let id = crate::hex::encode(&claims.key.id);
    let kept = format!("{name}-{}", id.get(..8).unwrap_or(&id));
    for kind in ChainKind::ALL {
        rename(&layout.stored_attestation(kind, name), &layout.stored_attestation(kind, &kept))?;
    }
    rename(&layout.evidence(name), &layout.evidence(&kept))?;
    let Some(id) = KeyId::new(claims.key.id) else { return Ok(()) };
    let before = AttestedKey {
        name: kept.clone(),
        uri: Pkcs11Uri::default().with_id(id),
        policy: claims.policy,
        evidence: evidence::of_key(layout, &kept),
    };
    let end = KeyEnd { time: moment.now, state: KeyEndState::Retired };
    match attester.claims(&before, Occasion { nonce: None, end: Some(end) }, moment) {
        Ok((claims, key)) => attester.kinds().try_for_each(|kind| {
            let certificate = attester.sign_claims(kind, &before, &claims, &key)?;
            store(layout, kind, &kept, &certificate)
        }),
        // It was destroyed by other means: what was last said of it stays.
        Err(AttestationError::Hsm(HsmError::KeyMissing { .. })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Moves what belongs to a former chain out of the way: its certificates, and the attestations made under it. Returns
/// the folder, if there was anything.
///
/// # Errors
/// [`AttestationError::Unwritable`].
pub fn set_chain_aside(
    layout: &Layout,
    kind: ChainKind,
    now: UnixTime,
) -> Result<Option<PathBuf>, AttestationError> {
    if !layout.attestation_file(kind, hierarchy::file::CHAIN).exists() {
        return Ok(None);
    }
    let folder = layout.attestation().join(format!("{kind}-until-{}", now.as_secs()));
    let keys = folder.join("keys");
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), FOLDER_MODE)
        .recursive(true)
        .create(&keys)
        .map_err(|source| AttestationError::Unwritable { path: keys.clone(), source })?;
    for name in [hierarchy::file::CHAIN, hierarchy::file::DEVICE_ROOT, hierarchy::file::DEVICE_REQUEST] {
        let path = layout.attestation_file(kind, name);
        rename(&path, &folder.join(path.file_name().unwrap_or_default()))?;
    }
    for name in names(layout) {
        let path = layout.stored_attestation(kind, &name);
        rename(&path, &keys.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(Some(folder))
}

fn set_aside(
    layout: &Layout,
    kind: ChainKind,
    name: &str,
    why: &str,
    now: UnixTime,
) -> Result<PathBuf, AttestationError> {
    let path = layout.stored_attestation(kind, name);
    let mut aside = path.clone().into_os_string();
    aside.push(format!(".{why}-{}", now.as_secs()));
    rename(&path, Path::new(&aside))?;
    Ok(aside.into())
}

/// Renames what is there; nothing where nothing is.
fn rename(from: &Path, to: &Path) -> Result<(), AttestationError> {
    match std::fs::rename(from, to) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(AttestationError::Unwritable { path: to.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The stored attestation of a TSU's key; `None` if there is none.
///
/// # Errors
/// [`AttestationError`] if the file cannot be read or is not a certificate.
pub fn load(layout: &Layout, kind: ChainKind, name: &str) -> Result<Option<Certificate>, AttestationError> {
    let path = layout.stored_attestation(kind, name);
    match read_certificates(path.clone()) {
        Ok(certificates) => {
            certificates.into_iter().next().map(Some).ok_or(AttestationError::NoCertificate { path })
        }
        Err(AttestationError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn stored_claims(layout: &Layout, kind: ChainKind, name: &str) -> Option<Claims> {
    claims_of(&load(layout, kind, name).ok().flatten()?)
}

fn claims_of(stored: &Certificate) -> Option<Claims> {
    Claims::from_der(stored.claims_der()?).ok()
}

fn store(
    layout: &Layout,
    kind: ChainKind,
    name: &str,
    certificate: &CertificateDer<'_>,
) -> Result<(), AttestationError> {
    let path = layout.stored_attestation(kind, name);
    write_atomically(&path, pem::to_pem(PemLabel::Certificate, certificate).as_bytes(), FILE_MODE)
        .map_err(|source| AttestationError::Unwritable { path, source })
}

/// Whether a stored attestation claims the same, its time aside.
fn says_the_same(stored: &Certificate, claims: &Claims) -> bool {
    claims_of(stored).is_some_and(|stored| {
        let stored = Claims { attested_at: claims.attested_at, ..stored };
        stored == *claims
    })
}

/// The names that attestations are stored under: those of TSUs, and of keys that a TSU had before.
#[must_use]
pub fn names(layout: &Layout) -> std::collections::BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(layout.attestation().join("keys")) else { return Default::default() };
    let name = |file: std::ffi::OsString| {
        let file = file.into_string().ok()?;
        let stem = file.strip_suffix(".pq.pem").or_else(|| file.strip_suffix(".pem"))?;
        // A name that no bundle could have is none of ours.
        format!("keys/{stem}.pem").parse::<BundlePath>().is_ok().then(|| stem.to_owned())
    };
    entries.flatten().filter_map(|entry| name(entry.file_name())).collect()
}
