//! The running authority: its TSUs, clock and serial numbers, as one value that requests and reloads share.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::issue::StampOutcome;

/// The running authority. Shared by all connections; a reload swaps what is inside.
#[derive(Debug)]
pub struct Authority {}

/// One TSU as `GET /tsa` shows it. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TsuSummary {
    /// The TSU's name, as in `/tsa/{name}`.
    pub name: String,
    /// Whether `POST /` goes here.
    pub default: bool,
    /// Signature algorithm, as `p-256` or `rsa-3072`.
    pub algorithm: String,
    /// Policy OIDs in dotted form, the default first.
    pub policies: Vec<String>,
    /// Hash algorithms accepted in requests.
    pub accepted_hashes: Vec<String>,
    /// Accuracy in seconds, as it stands in tokens.
    pub accuracy_seconds: f64,
    /// Start of the certificate's validity.
    pub not_before: String,
    /// End of the certificate's validity.
    pub not_after: String,
    /// When issuance stops: the end of the private key's usage period, or of the certificate.
    pub key_not_after: String,
    /// Serial number of the certificate, hexadecimal.
    pub certificate_serial: String,
    /// Whether this TSU could issue a token now.
    pub ready: bool,
}

/// Whether a token could be issued now, as `GET /readyz` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// True if every TSU could issue a token now.
    pub ready: bool,
    /// Whether the time is assured (checked against a bound), or only the system's.
    pub time_assured: bool,
    /// Why not; empty when ready.
    pub reasons: Vec<ReadinessNote>,
    /// What will become a reason: an expiring certificate, a clock that is not assured.
    pub warnings: Vec<ReadinessNote>,
}

/// One reason or warning.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessNote {
    /// The TSU concerned; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsu: Option<String>,
    /// A fixed word for programs, as `certificate-expired`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// A file of the PKI, ready to be sent.
#[derive(Debug, Clone)]
pub struct PkiFile {
    /// Media type: `application/x-pem-file` or `application/pkix-crl`.
    pub content_type: &'static str,
    /// The whole file.
    pub body: Bytes,
}

impl Authority {
    /// Answers one request. `tsu` is the name in the path; `None` selects the default TSU, or by requested policy.
    pub async fn stamp(self: &Arc<Self>, tsu: Option<&str>, body: Bytes) -> StampOutcome {
        let _ = (tsu, body);
        StampOutcome::UnknownTsu
    }

    /// All TSUs, the default first.
    #[must_use]
    pub fn tsus(&self) -> Vec<TsuSummary> {
        Vec::new()
    }

    /// The TSU's certificate as PEM; `None` if no TSU has that name.
    #[must_use]
    pub fn certificate_pem(&self, tsu: &str) -> Option<Bytes> {
        let _ = tsu;
        None
    }

    /// The TSU's certificate, intermediates and root as PEM, in that order; `None` if no TSU has that name.
    #[must_use]
    pub fn chain_pem(&self, tsu: &str) -> Option<Bytes> {
        let _ = tsu;
        None
    }

    /// A file under `/pki/`: `root.pem`, `{ca}.pem`, `{ca}.crl`.
    #[must_use]
    pub fn pki_file(&self, name: &str) -> Option<PkiFile> {
        let _ = name;
        None
    }

    /// Whether a token could be issued now, and why not.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        Readiness { ready: false, time_assured: false, reasons: Vec::new(), warnings: Vec::new() }
    }
}
