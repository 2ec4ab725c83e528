//! When the certificates and CRLs that are no TSU's end: read from the files that are served, for the metrics.
//!
//! What cannot be read has no series here; the start and the hourly care say why.

use std::path::Path;

use attestamp_attestation::ChainKind;
use attestamp_certs::pem::certificates_from_pem;
use attestamp_certs::{Crl, Validity};

use crate::attestation::hierarchy::file::CHAIN;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::metrics::{Expiry, ExpiryKind};

pub(super) fn expiries(layout: &Layout, config: &Config) -> Vec<Expiry> {
    let mut expiries = Vec::new();
    let mut add = |kind, name: &str, unix_seconds: Option<u64>| {
        expiries.extend(unix_seconds.map(|unix_seconds| Expiry {
            kind,
            name: name.to_owned(),
            unix_seconds,
        }));
    };
    for name in config.authorities.keys() {
        add(ExpiryKind::CaCertificate, name, first_end(&layout.ca_certificate(name), 1));
        add(ExpiryKind::Crl, name, next_update(&layout.ca_revocation_list(name)));
    }
    if let Some(path) = &config.server.tls_certificate {
        add(ExpiryKind::TlsCertificate, "main", first_end(path, 1));
    }
    for kind in ChainKind::ALL {
        let end = first_end(&layout.attestation_file(kind, CHAIN), usize::MAX);
        add(ExpiryKind::AttestationChain, kind.name(), end);
    }
    expiries
}

/// The earliest end among the first `count` certificates of a PEM file.
fn first_end(path: &Path, count: usize) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let certificates = certificates_from_pem(&text).ok()?;
    let ends =
        certificates.iter().take(count).filter_map(|certificate| Validity::of_certificate(certificate).ok());
    ends.map(|validity| validity.not_after().as_secs()).min()
}

fn next_update(path: &Path) -> Option<u64> {
    Some(Crl::parse(&std::fs::read(path).ok()?).ok()?.next_update().as_secs())
}
