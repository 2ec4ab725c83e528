//! One request to one answer, with its one log event.
//!
//! The order of the checks is that of their cost: rate, media type, length, body, and only then the authority.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CACHE_CONTROL, HeaderValue},
    http::request::Parts,
};
use serde::Serialize;
use tokio::time::Instant;
use tracing::{debug, info};

use super::{
    attestation,
    backend::{Backend, RequestId, StampRequest},
    body, ledger,
    media_type::{is_timestamp_query, is_unencoded, prefers_json},
    origin::PublicUrl,
    page,
    problem::Problem,
    reply::{Reply, reply, without_body},
    route::{MethodLabel, Route, Target},
    server::Connection,
    tsu_view::{TsuView, documents},
};
use crate::{issue::StampOutcome, metrics::outcome_label, telemetry::Trace};

/// RFC 3161 §3.4: exactly this, since `tsget` compares it whole.
const TIMESTAMP_REPLY: HeaderValue = HeaderValue::from_static("application/timestamp-reply");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PEM: HeaderValue = HeaderValue::from_static("application/x-pem-file");
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Certificates and CRLs change rarely and may be kept for five minutes.
const BRIEFLY: HeaderValue = HeaderValue::from_static("max-age=300");

/// A response, and what the log says of it: a word of a closed set.
type Answer = (Response<Reply>, &'static str);

/// Answers one request.
pub(crate) async fn answer<B: Backend>(
    connection: Arc<Connection<B>>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let started = Instant::now();
    let in_flight = connection.activity.begin();
    let id = connection.server.request_id();
    let (parts, body) = request.into_parts();
    let method = MethodLabel::of(&parts.method);
    let target = Target::from_path(parts.uri.path());
    let route = target.route(method);
    let trace = if route.is_probe() {
        Trace::off()
    } else {
        Trace::of_request(method.label(), route.label(), &parts.headers)
    };
    let has_body = !body.is_end_stream();
    let request_bytes = body.size_hint().exact();

    let checked = check(&connection, target, method, route).and_then(|()| {
        if route == Route::Attestation {
            check_attestation(&connection, method, parts.uri.query())
        } else {
            Ok(())
        }
    });
    let answered = match checked {
        Err(problem) => Err(problem),
        Ok(()) if route == Route::Stamp => stamp(&connection, id, &parts, body, target, &trace).await,
        Ok(()) if route == Route::Attestation => {
            let url = public_url(&connection, &parts);
            let backend = &connection.server.backend;
            attestation::show(backend, &parts, target, &url).await.map(|response| (response, "ok"))
        }
        Ok(()) if route == Route::Ledger => {
            ledger::show(&connection.server.backend, target).await.map(|response| (response, "ok"))
        }
        Ok(()) => show(&connection, &parts, target).map(|response| (response, "ok")),
    };
    let known_tsu = match (&answered, target) {
        (Ok(_), Target::Tsu(tsu) | Target::Certificate(tsu) | Target::Chain(tsu)) => Some(tsu),
        _ => None,
    };
    let (mut response, outcome) = answered.unwrap_or_else(|problem| {
        if has_body {
            connection.activity.leave_body();
        }
        (problem.response(id), problem.code())
    });

    let duration = started.elapsed();
    let status = response.status();
    connection.server.metrics.http.request(route, status, duration);
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let (method_label, route_label, status) = (method.label(), route.label(), status.as_u16());
    let response_bytes = response.body().len();
    trace.finish(status, outcome, known_tsu);
    if route.is_probe() {
        debug!(%id, method = method_label, route = route_label, status, outcome, duration_us, response_bytes, "request");
    } else {
        info!(
            %id,
            method = method_label,
            route = route_label,
            status,
            outcome,
            tsu = known_tsu,
            duration_us,
            request_bytes,
            response_bytes,
            "request"
        );
    }
    if method == MethodLabel::Head {
        response = without_body(response);
    }
    response.body_mut().hold(in_flight);
    Ok(response)
}

/// What can be refused before anything is read.
fn check<B: Backend>(
    connection: &Connection<B>,
    target: Target<'_>,
    method: MethodLabel,
    route: Route,
) -> Result<(), Problem> {
    if !route.is_probe()
        && let Err(retry_after_seconds) = connection.server.take_rate(connection.address)
    {
        return Err(Problem::TooManyRequests { retry_after_seconds });
    }
    let Some(allow) = target.allowed() else { return Err(Problem::NotFound) };
    if route == Route::Other || method == MethodLabel::Other {
        return Err(Problem::MethodNotAllowed { allow });
    }
    Ok(())
}

/// An attestation with a nonce has to be made: not for nothing, and not for one client alone.
fn check_attestation<B: Backend>(
    connection: &Connection<B>,
    method: MethodLabel,
    query: Option<&str>,
) -> Result<(), Problem> {
    if !attestation::Query::is_fresh(query) {
        return Ok(());
    }
    if method == MethodLabel::Head {
        return Err(Problem::MethodNotAllowed { allow: "GET" });
    }
    let taken = connection.server.take_attestation(connection.address);
    taken.map_err(|retry_after_seconds| Problem::TooManyRequests { retry_after_seconds })
}

async fn stamp<B: Backend>(
    connection: &Connection<B>,
    id: RequestId,
    parts: &Parts,
    body: Incoming,
    target: Target<'_>,
    trace: &Trace,
) -> Result<Answer, Problem> {
    let server = &connection.server;
    // Before the body is polled, which is what answers `Expect: 100-continue`.
    if !is_timestamp_query(&parts.headers) {
        return Err(Problem::WrongMediaType);
    }
    if !is_unencoded(&parts.headers) {
        return Err(Problem::EncodedBody);
    }
    let body = body::read(body, parts.version, &server.limits, &connection.activity).await?;
    let tsu = if let Target::Tsu(name) = target { Some(name) } else { None };
    match server.backend.stamp(StampRequest { id, tsu, body, trace }).await {
        StampOutcome::Reply { der, outcome } => {
            Ok((reply(StatusCode::OK, TIMESTAMP_REPLY, der), outcome_label(outcome)))
        }
        StampOutcome::Busy { retry_after_seconds } => Err(Problem::Busy { retry_after_seconds }),
        StampOutcome::UnknownTsu => Err(Problem::UnknownTsu),
    }
}

fn show<B: Backend>(
    connection: &Connection<B>,
    parts: &Parts,
    target: Target<'_>,
) -> Result<Response<Reply>, Problem> {
    let backend = &connection.server.backend;
    match target {
        Target::Root => Ok(show_page(connection, parts)),
        Target::Style => Ok(page::style()),
        Target::Tsa => {
            let tsus = documents(&TsuView::all(backend), &public_url(connection, parts));
            Ok(json(StatusCode::OK, &serde_json::json!({ "tsus": tsus })))
        }
        Target::Certificate(tsu) => backend.certificate_pem(tsu).map(pem).ok_or(Problem::UnknownTsu),
        Target::Chain(tsu) => backend.chain_pem(tsu).map(pem).ok_or(Problem::UnknownTsu),
        Target::PkiFile(name) => backend
            .pki_file(name)
            .map(|file| {
                keep_briefly(reply(StatusCode::OK, HeaderValue::from_static(file.content_type), file.body))
            })
            .ok_or(Problem::NotFound),
        Target::Health => Ok(json(StatusCode::OK, &serde_json::json!({ "alive": true }))),
        Target::Ready => {
            let readiness = backend.readiness();
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            Ok(json(status, &readiness))
        }
        Target::Metrics => {
            Ok(reply(StatusCode::OK, PROMETHEUS, Bytes::from(connection.server.metrics.render())))
        }
        // `check` has answered these already.
        Target::Tsu(_) => Err(Problem::MethodNotAllowed { allow: "POST" }),
        Target::AttestedKeys
        | Target::Attestation(_)
        | Target::AttestationChain(_)
        | Target::AttestationBundle
        | Target::LedgerCheckpoint
        | Target::LedgerKeys
        | Target::LedgerTile(_)
        | Target::LedgerProof(_)
        | Target::Unknown => Err(Problem::NotFound),
    }
}

fn show_page<B: Backend>(connection: &Connection<B>, parts: &Parts) -> Response<Reply> {
    let backend = &connection.server.backend;
    let (tsus, readiness) = (TsuView::all(backend), backend.readiness());
    let url = public_url(connection, parts);
    if prefers_json(&parts.headers) {
        let document = serde_json::json!({
            "name": "attestamp",
            "version": env!("CARGO_PKG_VERSION"),
            "timeAssured": readiness.time_assured,
            "ready": readiness.ready,
            "tsus": documents(&tsus, &url),
        });
        return json(StatusCode::OK, &document);
    }
    page::page(&tsus, &readiness, &url)
}

/// The address to print: the configured one, else the one that the client asked.
fn public_url<B: Backend>(connection: &Connection<B>, parts: &Parts) -> PublicUrl {
    let of_request = || PublicUrl::of_request(parts, connection.is_tls, &connection.local.to_string());
    connection.server.public_url.clone().unwrap_or_else(of_request)
}

pub(super) fn json<T: Serialize>(status: StatusCode, document: &T) -> Response<Reply> {
    // Maps have string keys and numbers are finite: nothing in these documents can fail to serialise.
    let body = serde_json::to_vec(document).unwrap_or_default();
    reply(status, JSON, Bytes::from(body))
}

fn pem(body: Bytes) -> Response<Reply> {
    keep_briefly(reply(StatusCode::OK, PEM, body))
}

fn keep_briefly(mut response: Response<Reply>) -> Response<Reply> {
    response.headers_mut().insert(CACHE_CONTROL, BRIEFLY);
    response
}
