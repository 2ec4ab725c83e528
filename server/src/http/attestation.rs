//! What is served under `/attestation/`: chains, the list of keys, single attestations, and the bundle.
//!
//! Without a nonce everything comes from memory. With one, attestations are made for whoever asks, within a budget. All of
//! it is public: it proves something only to those who have the root by another way.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_DISPOSITION, HeaderValue, VARY},
    http::request::Parts,
};
use serde::Serialize;

use attestamp_attestation::{Assurance, Bundle, ChainKind, Claims, KeyEndState, Nonce, shortcomings};
use attestamp_certs::pem::{PemLabel, to_pem};

use super::{
    backend::Backend,
    media_type::prefers_der,
    origin::PublicUrl,
    problem::Problem,
    reply::{Reply, reply},
    route::Target,
};
use crate::attestation::claims::PURPOSE_TIMESTAMPING;
use crate::attestation::served::{AttestationFiles, KeyFiles};
use crate::authority::{AttestRefusal, AttestRequest, Fresh};
use crate::clock::rfc3339;

const PEM: HeaderValue = HeaderValue::from_static("application/x-pem-file");
const DER: HeaderValue = HeaderValue::from_static("application/pkix-cert");
const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");
const TAR_NAME: HeaderValue = HeaderValue::from_static("attachment; filename=\"attestation-bundle.tar\"");
const BRIEFLY: HeaderValue = HeaderValue::from_static("max-age=300");
const NEVER_KEPT: HeaderValue = HeaderValue::from_static("no-store");

/// One attested key in `GET /attestation/keys`. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyDocument<'a> {
    /// CKA_ID in hexadecimal.
    key: String,
    purpose: &'static str,
    tsu: &'a str,
    /// CKA_KEY_TYPE, as `CKK_EC`.
    key_type: String,
    /// Curve, modulus length or parameter set.
    algorithm: String,
    /// `hostAsserted` or `deviceSigned`.
    assurance: &'static str,
    attested_at: String,
    /// The chains that it is attested under.
    chains: Vec<&'static str>,
    /// Whether the token says of it what a verifier asks for by default.
    accepted_by_default: bool,
    /// The end of its use: `retired` or `destroyed`, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<EndDocument>,
    url: String,
}

#[derive(Debug, Serialize)]
struct EndDocument {
    state: &'static str,
    time: String,
}

/// What the client asks for behind the path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    nonce: Option<Nonce>,
    chain: Option<ChainKind>,
}

impl Query {
    /// Reads `nonce=HEX` and `chain=classical|pq`, each once. No value of theirs needs percent-encoding.
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let wrong = |expected| Problem::WrongParameter { expected };
        let mut parsed = Self::default();
        for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("nonce", value)) if parsed.nonce.is_none() => {
                    let octets = crate::hex::decode(value).and_then(|octets| Nonce::new(octets).ok());
                    let nonce = octets.ok_or(wrong("nonce must be 16 to 64 octets in hexadecimal"))?;
                    parsed.nonce = Some(nonce);
                }
                Some(("chain", value)) if parsed.chain.is_none() => {
                    let kind = match value {
                        "classical" => ChainKind::Classical,
                        "pq" | "post-quantum" => ChainKind::PostQuantum,
                        _ => return Err(wrong("chain must be classical or pq")),
                    };
                    parsed.chain = Some(kind);
                }
                Some(_) | None => {
                    return Err(wrong("it may have nonce=HEX and chain=classical or pq, each once"));
                }
            }
        }
        Ok(parsed)
    }

    /// Refuses what would have no effect: the client would take the answer for another than it is.
    fn check(&self, target: Target<'_>) -> Result<(), Problem> {
        if matches!(target, Target::AttestedKeys | Target::AttestationChain(_)) && *self != Self::default() {
            return Err(Problem::WrongParameter { expected: "there is nothing to choose here" });
        }
        if target == Target::AttestationBundle && self.chain.is_some() && self.nonce.is_none() {
            let expected = "chain goes with nonce: the stored bundle has both chains";
            return Err(Problem::WrongParameter { expected });
        }
        Ok(())
    }

    /// Whether it costs the token a signature.
    pub(super) fn is_fresh(query: Option<&str>) -> bool {
        query.is_some_and(|query| query.split('&').any(|parameter| parameter.starts_with("nonce=")))
    }
}

/// Answers a request below `/attestation/`.
pub(crate) async fn show<B: Backend>(
    backend: &B,
    parts: &Parts,
    target: Target<'_>,
    url: &PublicUrl,
) -> Result<Response<Reply>, Problem> {
    let query = Query::parse(parts.uri.query())?;
    query.check(target)?;
    let files = backend.attestations();
    // What names this server by the address that the client used is no other client's to get from a cache.
    let is_kept = query.nonce.is_none() && target != Target::AttestedKeys;
    let mut response = match target {
        Target::AttestedKeys => Ok(super::router::json(StatusCode::OK, &keys(&files, url))),
        Target::AttestationChain(kind) => match files.chain_pem.get(&kind) {
            Some(pem) => Ok(reply(StatusCode::OK, PEM, pem.clone())),
            None => Err(Problem::NoAttestation),
        },
        Target::Attestation(key) => one(backend, &files, parts, key, query).await,
        Target::AttestationBundle => bundle(backend, &files, query).await,
        // The router sends nothing else here.
        Target::Root
        | Target::Tsa
        | Target::Tsu(_)
        | Target::Certificate(_)
        | Target::Chain(_)
        | Target::PkiFile(_)
        | Target::LedgerCheckpoint
        | Target::LedgerKeys
        | Target::LedgerTile(_)
        | Target::LedgerProof(_)
        | Target::Health
        | Target::Ready
        | Target::Metrics
        | Target::Style
        | Target::Unknown => Err(Problem::NotFound),
    }?;
    response.headers_mut().insert(CACHE_CONTROL, if is_kept { BRIEFLY } else { NEVER_KEPT });
    Ok(response)
}

/// One attestation: PEM with the chain behind it, or DER alone.
async fn one<B: Backend>(
    backend: &B,
    files: &AttestationFiles,
    parts: &Parts,
    key: &str,
    query: Query,
) -> Result<Response<Reply>, Problem> {
    let (name, key) = files.find(key).ok_or(Problem::UnknownKey)?;
    let kind = query.chain.unwrap_or(ChainKind::Classical);
    let wants_der = prefers_der(&parts.headers);
    let mut response = match query.nonce {
        None if wants_der => {
            let stored = key.attestations.get(&kind).ok_or(Problem::NoAttestation)?;
            reply(StatusCode::OK, DER, Bytes::copy_from_slice(stored.der()))
        }
        None => {
            let pem = key.pem.get(&kind).ok_or(Problem::NoAttestation)?;
            reply(StatusCode::OK, PEM, pem.clone())
        }
        Some(nonce) => {
            let request = AttestRequest { tsu: Some(name.to_owned()), chain: Some(kind), nonce };
            let mut fresh = attest(backend, request).await?;
            let der = fresh.remove(&(name.to_owned(), kind)).ok_or(Problem::NoAttestation)?;
            if wants_der {
                reply(StatusCode::OK, DER, Bytes::from(der.to_vec()))
            } else {
                let mut text = to_pem(PemLabel::Certificate, &der).into_bytes();
                text.extend_from_slice(files.chain_pem.get(&kind).map_or(&[][..], |pem| pem));
                reply(StatusCode::OK, PEM, Bytes::from(text))
            }
        }
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

async fn bundle<B: Backend>(
    backend: &B,
    files: &AttestationFiles,
    query: Query,
) -> Result<Response<Reply>, Problem> {
    let stored = files.bundle_tar.as_ref().ok_or(Problem::NoAttestation)?;
    let tar = match query.nonce {
        None => stored.clone(),
        Some(nonce) => {
            let fresh = attest(backend, AttestRequest { tsu: None, chain: query.chain, nonce }).await?;
            pack(files, &fresh)?
        }
    };
    let mut response = reply(StatusCode::OK, TAR, tar);
    response.headers_mut().insert(CONTENT_DISPOSITION, TAR_NAME);
    Ok(response)
}

/// The bundle with fresh attestations, dated by them.
fn pack(files: &AttestationFiles, fresh: &Fresh) -> Result<Bytes, Problem> {
    let of_fresh = fresh.values().filter_map(|der| {
        let certificate = attestamp_attestation::Certificate::parse(der).ok()?;
        Some(Claims::from_der(certificate.claims_der()?).ok()?.attested_at.as_secs())
    });
    let tar = Bundle::to_tar(&files.bundle(fresh), of_fresh.max().unwrap_or(0));
    tar.map(Bytes::from).map_err(|error| {
        tracing::error!(error = %format!("{:#}", anyhow::Error::from(error)), "the bundle cannot be made");
        Problem::AttestationFailed
    })
}

async fn attest<B: Backend>(backend: &B, request: AttestRequest) -> Result<Fresh, Problem> {
    backend.attest(request).await.map_err(|refusal| match refusal {
        AttestRefusal::NoChain => Problem::NoAttestation,
        AttestRefusal::NotAttested => Problem::NotAttestedNow,
        AttestRefusal::Disabled => Problem::NoFreshAttestation,
        AttestRefusal::Limited { retry_after_seconds } => {
            Problem::TooManyAttestations { retry_after_seconds }
        }
        AttestRefusal::Failed => Problem::AttestationFailed,
    })
}

fn keys(files: &AttestationFiles, url: &PublicUrl) -> serde_json::Value {
    let documents = files.keys.iter().filter_map(|(tsu, key)| {
        // Keys are strings and numbers are finite: nothing in it can fail to serialise.
        serde_json::to_value(document(tsu, key, url)?).ok()
    });
    serde_json::json!({
        "keys": documents.collect::<serde_json::Value>(),
        "bundleUrl": format!("{url}/attestation/bundle.tar"),
    })
}

fn document<'a>(tsu: &'a str, key: &KeyFiles, url: &PublicUrl) -> Option<KeyDocument<'a>> {
    let claims = key.claims.as_ref()?;
    Some(KeyDocument {
        key: crate::hex::encode(&claims.key.id),
        purpose: PURPOSE_TIMESTAMPING,
        tsu,
        assurance: assurance_name(claims.assurance),
        attested_at: rfc3339(claims.attested_at),
        chains: key.attestations.keys().map(|kind| kind.name()).collect(),
        accepted_by_default: shortcomings(&claims.key).is_empty(),
        end: claims.end.map(|end| {
            let state = match end.state {
                KeyEndState::Retired => "retired",
                KeyEndState::Destroyed => "destroyed",
            };
            EndDocument { state, time: rfc3339(end.time) }
        }),
        url: format!("{url}/attestation/keys/{tsu}"),
        key_type: claims.key.key_type.clone(),
        algorithm: claims.key.parameter_set.clone(),
    })
}

/// The word that programs read.
pub(crate) fn assurance_name(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::HostAsserted => "hostAsserted",
        Assurance::DeviceSigned => "deviceSigned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_has_a_nonce_and_a_chain_each_once() {
        let nonce = "00112233445566778899aabbccddeeff";
        let parsed = Query::parse(Some(&format!("nonce={nonce}&chain=pq"))).unwrap();
        assert_eq!(parsed.nonce.unwrap().to_string(), nonce);
        assert_eq!(parsed.chain, Some(ChainKind::PostQuantum));
        assert_eq!(Query::parse(None), Ok(Query::default()));
        assert_eq!(Query::parse(Some("")), Ok(Query::default()));
        for wrong in [
            "nonce=",
            "nonce=zz112233445566778899aabbccddeeff",
            "nonce=0011",
            &format!("nonce={}", "00".repeat(65)),
            &format!("nonce={nonce}&nonce={nonce}"),
            "chain=quantum",
            "Nonce=00112233445566778899aabbccddeeff",
            "nonce",
        ] {
            assert!(matches!(Query::parse(Some(wrong)), Err(Problem::WrongParameter { .. })), "{wrong}");
        }
    }
}
