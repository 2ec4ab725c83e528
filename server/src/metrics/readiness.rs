//! What `/readyz` says, as series: an alert names the reason, and the reason has its section in `docs/operations.md`.
//!
//! The codes are words of the program, never a client's. A series exists from the first time that its code is seen and
//! stays, at 0, when the reason has passed: an alert then ends instead of going stale. The lock is taken by whoever brings
//! the metrics up to date and by a scrape, never by a request.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::Gauge;
use super::render::{gauge, header};

/// What `/readyz` said last.
#[derive(Debug, Default)]
pub struct ReadinessMetrics {
    ready: Gauge,
    reasons: Codes,
    warnings: Codes,
}

#[derive(Debug, Default)]
struct Codes(Mutex<BTreeMap<&'static str, u32>>);

impl ReadinessMetrics {
    /// Takes what it says now: the codes of its reasons and of its warnings, one for each TSU that is concerned.
    pub fn set<'a>(
        &self,
        reasons: impl Iterator<Item = &'a &'static str>,
        warnings: impl Iterator<Item = &'a &'static str>,
    ) {
        let is_ready = self.reasons.replace(reasons) == 0;
        self.warnings.replace(warnings);
        self.ready.set(if is_ready { 1.0 } else { 0.0 });
    }
}

impl Codes {
    /// Gives how many there are.
    fn replace<'a>(&self, codes: impl Iterator<Item = &'a &'static str>) -> usize {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values_mut().for_each(|count| *count = 0);
        let mut total = 0;
        for code in codes {
            let count = counts.entry(code).or_default();
            *count = count.saturating_add(1);
            total += 1;
        }
        total
    }

    fn write(&self, text: &mut String, name: &str, help: &str) -> fmt::Result {
        header(text, name, "gauge", help)?;
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (code, count) in counts.iter() {
            writeln!(text, "{name}{{code=\"{code}\"}} {count}")?;
        }
        Ok(())
    }
}

pub(super) fn write(text: &mut String, readiness: &ReadinessMetrics) -> fmt::Result {
    gauge(text, "attestamp_ready", "1 if every TSU could issue a token.", &readiness.ready)?;
    let reasons = "attestamp_readiness_reasons";
    readiness.reasons.write(text, reasons, "Reasons why /readyz answers 503, by their code.")?;
    let warnings = "attestamp_readiness_warnings";
    readiness.warnings.write(text, warnings, "Warnings of /readyz, by their code.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(readiness: &ReadinessMetrics) -> String {
        let mut text = String::new();
        write(&mut text, readiness).unwrap();
        text
    }

    #[test]
    fn a_reason_that_has_passed_is_a_series_of_zero() {
        let readiness = ReadinessMetrics::default();
        assert!(text(&readiness).contains("attestamp_ready NaN\n"));
        readiness.set(["hsm-unavailable", "hsm-unavailable"].iter(), ["expires-soon"].iter());
        let before = text(&readiness);
        assert!(before.contains("attestamp_readiness_reasons{code=\"hsm-unavailable\"} 2\n"), "{before}");
        assert!(before.contains("attestamp_readiness_warnings{code=\"expires-soon\"} 1\n"), "{before}");
        assert!(before.contains("attestamp_ready 0\n"), "{before}");
        readiness.set([].iter(), ["expires-soon"].iter());
        let after = text(&readiness);
        assert!(after.contains("attestamp_readiness_reasons{code=\"hsm-unavailable\"} 0\n"), "{after}");
        assert!(after.contains("attestamp_ready 1\n"), "{after}");
    }
}
