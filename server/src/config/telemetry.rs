//! `[telemetry]`: where traces of requests go, as written and checked. Without an address there are none.

use serde::Deserialize;

use super::{ConfigError, value};

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// The collector, as `http://127.0.0.1:4318`.
    pub otlp_endpoint: Option<String>,
    /// The part of the requests that is traced, where the caller does not say.
    pub sample_ratio: f64,
    /// What the server is called in traces.
    pub service_name: String,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0, service_name: "attestamp".to_owned() }
    }
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// The URL that spans are posted to.
    pub endpoint: String,
    /// From 0 to 1.
    pub sample_ratio: f64,
    /// What the server is called in traces.
    pub service_name: String,
}

pub(super) fn check(section: TelemetrySection) -> Result<Option<TelemetryConfig>, ConfigError> {
    if !(0.0..=1.0).contains(&section.sample_ratio) {
        return Err(value("telemetry.sample-ratio", "must be 0 to 1"));
    }
    if section.service_name.is_empty() || section.service_name.len() > 255 {
        return Err(value("telemetry.service-name", "must be 1 to 255 octets"));
    }
    let Some(endpoint) = &section.otlp_endpoint else { return Ok(None) };
    let endpoint = endpoint.trim_end_matches('/');
    let uri = endpoint.parse::<hyper::Uri>().ok();
    let is_http = |uri: &hyper::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    if !uri.as_ref().is_some_and(|uri| is_http(uri) && uri.host().is_some() && uri.query().is_none()) {
        let problem = format!("`{endpoint}` is no address: write it as http://127.0.0.1:4318");
        return Err(value("telemetry.otlp-endpoint", problem));
    }
    // The path is the protocol's; one that is there already is taken as it is.
    let has_path = uri.is_some_and(|uri| uri.path().len() > 1);
    let endpoint = if has_path { endpoint.to_owned() } else { format!("{endpoint}/v1/traces") };
    Ok(Some(TelemetryConfig {
        endpoint,
        sample_ratio: section.sample_ratio,
        service_name: section.service_name,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(endpoint: &str, sample_ratio: f64) -> TelemetrySection {
        TelemetrySection {
            otlp_endpoint: Some(endpoint.to_owned()),
            sample_ratio,
            ..TelemetrySection::default()
        }
    }

    #[test]
    fn the_path_is_added_where_there_is_none() {
        for (written, posted_to) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("http://collector.example/otlp/v1/traces", "http://collector.example/otlp/v1/traces"),
        ] {
            let config = check(section(written, 0.5)).unwrap().unwrap();
            assert_eq!(config.endpoint, posted_to);
        }
        assert_eq!(check(TelemetrySection::default()).unwrap(), None);
    }

    #[test]
    fn what_is_no_address_or_no_part_is_refused() {
        for endpoint in ["", "127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://", "http://x/?y"] {
            assert!(check(section(endpoint, 1.0)).is_err(), "{endpoint}");
        }
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert!(check(section("http://x", ratio)).is_err(), "{ratio}");
        }
    }
}
