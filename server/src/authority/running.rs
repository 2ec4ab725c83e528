//! What one request needs: the TSUs that issue, and which of them answers. Started as a whole, and never changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use attestamp_tsa::{Compatibility, Oid};

use super::{AuthorityError, StartParts};
use crate::config::Config;
use crate::tokens::Tokens;
use crate::tsu::{LifeOver, Started, Tsu, TsuError};

/// What one request needs, unchanged while it runs.
#[derive(Debug)]
pub struct Running {
    /// The configuration that this came from.
    pub config: Config,
    /// The TSUs that issue, by name.
    pub(super) tsus: BTreeMap<String, Arc<Tsu>>,
    /// TSUs that have a key and wait for their certificate.
    pub(super) waiting: Vec<String>,
    pub(super) default: Arc<Tsu>,
    /// How requests are decoded.
    pub compatibility: Compatibility,
}

impl Running {
    /// The TSU that answers: the one named in the path; else the default one, unless the request names a policy that
    /// only another accepts. `None` if no TSU has the name.
    #[must_use]
    pub fn select(&self, name: Option<&str>, policy: Option<Oid<'_>>) -> Option<&Arc<Tsu>> {
        match (name, policy) {
            (Some(name), _) => self.tsus.get(name),
            (None, Some(policy)) => {
                let accepts =
                    |tsu: &&Arc<Tsu>| tsu.profile().policies().any(|offered| offered.oid() == policy);
                let others = self.tsus.values().find(accepts);
                Some(Some(&self.default).filter(accepts).or(others).unwrap_or(&self.default))
            }
            (None, None) => Some(&self.default),
        }
    }

    /// Whether a signer with its key in this token hangs there.
    pub(super) fn hangs(&self, token: &str) -> bool {
        let signers = self.tsus.values().flat_map(|tsu| tsu.signers());
        let mut pools =
            signers.filter(|signer| signer.config().token == token).filter_map(|signer| signer.pool());
        pools.any(|pool| pool.state().is_stalled())
    }

    /// The TSU of this name, if it runs.
    #[must_use]
    pub fn tsu(&self, name: &str) -> Option<&Arc<Tsu>> {
        self.tsus.get(name)
    }

    /// Starts every TSU. Those whose tokens are away join when they are back; one at least must have begun.
    ///
    /// # Errors
    /// [`AuthorityError`] with the first TSU that is not fit.
    pub(super) fn start(
        parts: &StartParts<'_>,
        config: Config,
        tokens: &mut Tokens,
        before: Option<&Self>,
    ) -> Result<Self, AuthorityError> {
        let mut tsus = BTreeMap::new();
        let mut waiting = Vec::new();
        let mut outages = Vec::new();
        for (name, tsu) in config.tsus.iter().filter(|(_, tsu)| !tsu.retired) {
            let known = before.and_then(|running| running.tsus.get(name));
            match Tsu::start(name, tsu, &config, parts, tokens, known) {
                Ok(Started { tsu, outage }) => {
                    tsus.insert(name.clone(), Arc::new(tsu));
                    // At a start the others are served. A reload must not take away what issues, nor add what cannot.
                    let is_news = before.is_some() && known.is_none_or(|known| known.has_begun());
                    outages.extend(outage.map(|outage| (name, outage, is_news)));
                }
                Err(TsuError::NoCertificate { .. }) => waiting.push(name.clone()),
                Err(source) => {
                    return Err(AuthorityError::Tsu { name: name.as_str().into(), source });
                }
            }
        }
        let none_has_begun = !tsus.values().any(|tsu| tsu.has_begun());
        if let Some((name, source, _)) = outages.into_iter().find(|(.., is_news)| *is_news || none_has_begun)
        {
            return Err(AuthorityError::Tsu { name: name.as_str().into(), source });
        }
        for (name, tsu) in &tsus {
            let nested = tsu.nested_name().and_then(|nested| tsus.get(nested));
            tsu.check_nested(nested.map(Arc::as_ref), parts.clock)
                .map_err(|source| AuthorityError::Tsu { name: name.as_str().into(), source })?;
        }
        let named = config.default_tsu.as_ref().and_then(|name| tsus.get(name));
        let Some(default) = named.or_else(|| tsus.values().next()).map(Arc::clone) else {
            return Err(match waiting.into_iter().next() {
                Some(tsu) => {
                    AuthorityError::NoCertificate { path: parts.layout.tsu_chain(&tsu), tsu: tsu.into() }
                }
                None => AuthorityError::NoTsu,
            });
        };
        // An expired TSU beside others is told by `/readyz`; a server that can never issue anything does not start.
        let now = parts.clock.unverified_time();
        let expired = |tsu: &Arc<Tsu>| match tsu.check_life_at(now) {
            Err(over @ LifeOver::Expired { .. }) => Some(over),
            Err(LifeOver::NotYetValid { .. }) | Ok(()) => None,
        };
        if before.is_none()
            && let Some(over) = expired(&default)
            && tsus.values().all(|tsu| expired(tsu).is_some())
        {
            return Err(AuthorityError::AllOver { tsu: default.name().into(), over });
        }
        let explicit_cert_req_false = config.server.compatibility_explicit_cert_req_false;
        Ok(Self { config, tsus, waiting, default, compatibility: Compatibility { explicit_cert_req_false } })
    }
}
