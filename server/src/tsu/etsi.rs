//! What ETSI EN 319 421 and 319 422 ask of a TSU beyond its profile: of its certificate, its clock and its listener.
//!
//! What a configuration alone can keep is checked in `tsa::Profile`; what auditors ask of people and buildings is not
//! checked anywhere.

use attestamp_certs::TsuCertificate;
use attestamp_tsa::Etsi;

use crate::clock::ClockMode;
use crate::config::Config;

/// A row that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EtsiNotKept {
    /// EN 319 421 7.7.1-07: no tokens on a clock that nobody vouches for.
    #[error("`etsi` needs an assured clock: set `clock.mode = \"kernel\"` (EN 319 421 7.7.1)")]
    ClockNotAssured,
    /// EN 319 422 §6.2.
    #[error("`etsi` needs {attribute} in the certificate's subject (EN 319 422 §6.2)")]
    SubjectIncomplete {
        /// What is missing.
        attribute: &'static str,
    },
    /// EN 319 422 §6.4, EN 319 421 7.6.7-04.
    #[error(
        "`etsi` needs a privateKeyUsagePeriod that ends before the certificate (EN 319 421 7.6.7, 319 422 §6.4)"
    )]
    NoKeyUsageEnd,
    /// CIR (EU) 2025/1929.
    #[error(
        "`etsi = \"qualified\"` needs HTTPS: set tls-certificate and tls-key, or a public-url with https (CIR 2025/1929)"
    )]
    NoHttps,
}

/// Checks what `etsi` asks of the TSU that issues with `certificate`.
pub(super) fn check(etsi: Etsi, certificate: &TsuCertificate, all: &Config) -> Result<(), EtsiNotKept> {
    if etsi == Etsi::Off {
        return Ok(());
    }
    if all.clock.mode != ClockMode::Kernel {
        return Err(EtsiNotKept::ClockNotAssured);
    }
    let subject = certificate.organization();
    let attributes = [
        ("countryName", subject.country),
        ("organizationName", subject.organization),
        ("organizationIdentifier", subject.organization_identifier),
    ];
    if let Some((attribute, _)) = attributes.iter().find(|(_, value)| value.is_none()) {
        return Err(EtsiNotKept::SubjectIncomplete { attribute });
    }
    if certificate.private_key_usage_not_after().is_none_or(|end| end >= certificate.not_after()) {
        return Err(EtsiNotKept::NoKeyUsageEnd);
    }
    let https = all.server.tls_certificate.is_some()
        || all.server.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    if etsi == Etsi::Qualified && !https {
        return Err(EtsiNotKept::NoHttps);
    }
    Ok(())
}
