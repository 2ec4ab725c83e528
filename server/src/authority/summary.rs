//! One TSU as `GET /tsa` and the page show it.

use std::sync::Arc;
use std::time::Duration;

use attestamp_certs::UnixTime;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::tsu::{Signer, Tsu};

/// One TSU. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TsuSummary {
    /// The TSU's name, as in `/tsa/{name}`.
    pub name: String,
    /// Whether `POST /` goes here.
    pub default: bool,
    /// Signature algorithm, as `p-256` or `rsa-3072`.
    pub algorithm: String,
    /// Whether its tokens are post-quantum up to the root: no version of `openssl ts` verifies those.
    pub post_quantum: bool,
    /// The TSU whose token over the signature its tokens carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nested_tsu: Option<String>,
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
    /// Whether this TSU could issue a token now, the clock aside.
    pub ready: bool,
    /// Its keys, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<SignerSummary>,
}

/// One key of a TSU that has several.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerSummary {
    /// Its name, as in the metrics.
    pub name: String,
    /// Serial number of its certificate, hexadecimal.
    pub certificate_serial: String,
    /// Whether it could sign now.
    pub ready: bool,
}

impl TsuSummary {
    pub(super) fn of(tsu: &Tsu, default: bool, now: UnixTime) -> Self {
        let certificate = tsu.certificate();
        let profile = tsu.profile();
        Self {
            name: tsu.name().to_owned(),
            default,
            algorithm: tsu.algorithm().to_string(),
            post_quantum: tsu.is_post_quantum(),
            nested_tsu: tsu.nested_name().map(str::to_owned),
            policies: profile.policies().map(ToString::to_string).collect(),
            accepted_hashes: profile
                .config()
                .accepted_hashes
                .iter()
                .map(|hash| hash.name().to_owned())
                .collect(),
            accuracy_seconds: Duration::from_micros(profile.config().accuracy.total_microseconds())
                .as_secs_f64(),
            not_before: rfc3339(certificate.not_before()),
            not_after: rfc3339(certificate.not_after()),
            key_not_after: rfc3339(tsu.key_not_after()),
            certificate_serial: crate::hex::encode(certificate.serial()),
            ready: tsu.trouble(now).is_none(),
            signers: signers(tsu, now),
        }
    }
}

fn signers(tsu: &Tsu, now: UnixTime) -> Vec<SignerSummary> {
    let summary = |signer: &Arc<Signer>| SignerSummary {
        name: signer.label().to_owned(),
        certificate_serial: crate::hex::encode(signer.chain().leaf().serial()),
        ready: signer.trouble(now).is_none(),
    };
    match tsu.signers() {
        [] | [_] => Vec::new(),
        several => several.iter().map(summary).collect(),
    }
}
