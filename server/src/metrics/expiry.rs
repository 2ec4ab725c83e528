//! When what the authority rests on ends, beside the TSUs: its CAs' certificates and CRLs, its TLS certificate, and the
//! chains above attested keys.
//!
//! Unix time and not days, so that an alert counts the days itself and a scrape that is missed changes nothing.

use std::fmt::{self, Write};
use std::sync::Arc;

use super::render::{LabelValue, header};

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Of what.
    pub kind: ExpiryKind,
    /// Its name in the configuration.
    pub name: String,
    /// When, in Unix seconds.
    pub unix_seconds: u64,
}

/// What has an end. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryKind {
    /// A CA's certificate; the name is the CA's.
    CaCertificate,
    /// A CA's CRL; the name is the CA's.
    Crl,
    /// The listener's certificate.
    TlsCertificate,
    /// The first certificate to end of those above an attestation; the name is the chain's.
    AttestationChain,
}

impl ExpiryKind {
    const ALL: [Self; 4] = [Self::CaCertificate, Self::Crl, Self::TlsCertificate, Self::AttestationChain];

    const fn family(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::CaCertificate => (
                "attestamp_ca_certificate_expiry_seconds",
                "ca",
                "End of a CA certificate's validity, Unix time.",
            ),
            Self::Crl => (
                "attestamp_crl_expiry_seconds",
                "ca",
                "When a CRL should be replaced at the latest, Unix time.",
            ),
            Self::TlsCertificate => (
                "attestamp_tls_certificate_expiry_seconds",
                "listener",
                "End of the TLS certificate's validity, Unix time.",
            ),
            Self::AttestationChain => (
                "attestamp_attestation_chain_expiry_seconds",
                "chain",
                "End of the first certificate to end above attestations, Unix time.",
            ),
        }
    }
}

pub(super) fn write(text: &mut String, expiries: &Arc<Vec<Expiry>>) -> fmt::Result {
    for kind in ExpiryKind::ALL {
        let (name, label, help) = kind.family();
        header(text, name, "gauge", help)?;
        for expiry in expiries.iter().filter(|expiry| expiry.kind == kind) {
            writeln!(text, "{name}{{{label}=\"{}\"}} {}", LabelValue(&expiry.name), expiry.unix_seconds)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_family_of_its_own() {
        let expiries = ExpiryKind::ALL
            .iter()
            .map(|kind| Expiry { kind: *kind, name: "a\"b".to_owned(), unix_seconds: 1_800_000_000 })
            .collect();
        let mut text = String::new();
        write(&mut text, &Arc::new(expiries)).unwrap();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples.len(), ExpiryKind::ALL.len(), "{text}");
        assert!(samples.contains(&"attestamp_crl_expiry_seconds{ca=\"a\\\"b\"} 1800000000"), "{text}");
        assert_eq!(text.matches("# TYPE ").count(), ExpiryKind::ALL.len(), "{text}");
    }
}
