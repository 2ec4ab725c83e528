//! Traces of requests for a collector of OpenTelemetry, over OTLP (HTTP, protobuf): off unless `[telemetry]` names one.
//!
//! Where it is off, a request costs one look at a value that never changes, and no span is made. Where it is on, finished
//! spans go into a bounded queue, and a thread of their own takes them to the collector: one that is slow, or away, costs
//! spans and never a request. Attributes are words of ours: a client's path, header or name for a TSU is in none of them,
//! and of its trace context only the two identifiers and the flag of `traceparent` are taken.
//!
//! The API of OpenTelemetry is called directly, and not through `tracing`: with a layer there, every event of the log
//! would be asked whether it belongs to a trace, also where there are none.

mod collector;

use std::sync::OnceLock;
use std::time::Duration;

use hyper::header::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, Span,
};

use crate::client::tls::TlsSetupError;
use crate::config::TelemetryConfig;
use collector::Collector;

/// Spans that wait for the collector; more are dropped.
const QUEUE_LENGTH: usize = 4096;
/// Spans in one message.
const BATCH_LENGTH: usize = 512;
/// How long one message may take, and the last one at the end.
const EXPORT_LIMIT: Duration = Duration::from_secs(5);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();
static NO_TRACE: Trace = Trace(None);

/// Why there are no traces although they are configured.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The exporter cannot be made.
    #[error("the exporter of traces cannot be made: see [telemetry] in attestamp.toml")]
    Exporter(#[from] ExporterBuildError),
    /// TLS to the collector cannot be set up.
    #[error("TLS to the collector of traces cannot be set up")]
    Tls(#[from] TlsSetupError),
}

/// The way to the collector. What waits is sent when [`Telemetry::finish`] is called.
#[derive(Debug)]
pub struct Telemetry(SdkTracerProvider);

impl Telemetry {
    /// Begins to trace requests. To be called within the runtime, which carries the messages.
    ///
    /// # Errors
    /// [`TelemetryError`]. A collector that is away is none.
    pub fn start(config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            .with_endpoint(&config.endpoint)
            .with_timeout(EXPORT_LIMIT)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_LENGTH)
            .with_max_export_batch_size(BATCH_LENGTH)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        // A caller that traces its request decides for it; of the others, so many.
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        // The first one in a process counts, as with the log.
        let _ = TRACER.set(provider.tracer("attestamp"));
        Ok(Self(provider))
    }

    /// Sends what waits, for some seconds at the most. Blocks: not to be called on a thread of the runtime, which must
    /// still be there.
    pub fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(EXPORT_LIMIT) {
            tracing::warn!(%error, "the last traces may not have reached the collector");
        }
    }
}

/// The trace of one request; empty where none is made.
#[derive(Debug)]
pub struct Trace(Option<Box<Spans>>);

#[derive(Debug)]
struct Spans {
    tracer: &'static SdkTracer,
    request: Span,
    /// The parent of the steps.
    within: Context,
}

/// One step of a request: lasts until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Step(Option<Box<Span>>);

impl Trace {
    /// No trace.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// No trace, for whoever needs one to refer to.
    #[must_use]
    pub fn none() -> &'static Self {
        &NO_TRACE
    }

    /// The trace of a request that begins now. `method` and `route` are words of ours.
    pub(crate) fn of_request(method: &'static str, route: &'static str, header: &HeaderMap) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(header));
        let request = tracer
            .span_builder(route)
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route),
            ])
            .start_with_context(tracer, &parent);
        if !request.is_recording() {
            return Self(None);
        }
        let within = Context::new().with_remote_span_context(request.span_context().clone());
        Self(Some(Box::new(Spans { tracer, request, within })))
    }

    /// A step that begins now.
    pub(crate) fn step(&self, name: &'static str) -> Step {
        Step(self.0.as_ref().map(|spans| {
            Box::new(spans.tracer.span_builder(name).start_with_context(spans.tracer, &spans.within))
        }))
    }

    /// The request has its answer. `outcome` is a word of ours, `tsu` a name of the configuration.
    pub(crate) fn finish(self, status: u16, outcome: &'static str, tsu: Option<&str>) {
        let Some(mut spans) = self.0 else { return };
        let request = &mut spans.request;
        request.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        request.set_attribute(KeyValue::new("attestamp.outcome", outcome));
        if let Some(tsu) = tsu {
            request.set_attribute(KeyValue::new("attestamp.tsu", tsu.to_owned()));
        }
        if status >= 500 || outcome == "system-failure" {
            request.set_status(Status::error(outcome));
        }
        request.end();
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.end();
        }
    }
}

/// A request's `traceparent`, and nothing else that the client says: `tracestate` is free text.
struct Traceparent<'a>(&'a HeaderMap);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if key == "traceparent" { self.0.get(key)?.to_str().ok() } else { None }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_collector_there_is_nothing() {
        let trace = Trace::of_request("POST", "stamp", &HeaderMap::new());
        assert!(trace.0.is_none());
        assert!(trace.step("sign").0.is_none());
        trace.finish(200, "granted", Some("default"));
    }

    #[test]
    fn of_the_callers_context_only_traceparent_is_taken() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let header = HeaderMap::from_iter([
            ("traceparent".parse().unwrap(), parent.parse().unwrap()),
            ("tracestate".parse().unwrap(), "a=secret".parse().unwrap()),
        ]);
        let context =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(&header));
        let span = context.span().span_context().clone();
        assert_eq!(span.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(span.is_sampled());
        assert_eq!(span.trace_state().header(), "");
    }
}
