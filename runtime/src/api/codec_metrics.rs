//! The part of `/metrics` that is about codec versions: one set of series for each version that was called since the start, and
//! the shadow runs. Bounded: with very many products the rest is counted as not listed.

use super::Api;
use super::metrics::Page;
use crate::catalog::{CallEnd, FUEL_BOUNDS, LATENCY_BOUNDS_US, PulseView};
use crate::model::ProductKey;
use crate::model::VersionNumber;
use crate::shadow::Finding;

/// Most versions that have series.
const MOST: usize = 500;

/// What codec versions count.
#[derive(Default)]
pub(super) struct CodecCounts {
    versions: Vec<(String, String, PulseView)>,
    unlisted: usize,
    shadows: Vec<(String, String, [u64; Finding::ALL.len()], u64)>,
}

impl CodecCounts {
    /// Asks the parts.
    pub(super) fn take(api: &Api) -> Self {
        let mut versions: Vec<_> = api.parts.catalog.pulses();
        versions.retain(|(_, _, view)| view.ends.iter().any(|count| *count > 0));
        let unlisted = versions.len().saturating_sub(MOST);
        versions.truncate(MOST);
        let labels = |key: &ProductKey, number: VersionNumber| (key.to_string(), number.to_string());
        let shadows = api.parts.shadow.counts().into_iter().take(MOST).filter_map(|(product, number, findings, dropped)| {
            let active = api.parts.catalog.active(product)?;
            let (key, number) = labels(&active.product.key, number);
            Some((key, number, findings, dropped))
        });
        Self {
            shadows: shadows.collect(),
            unlisted,
            versions: versions
                .into_iter()
                .map(|(key, number, view)| {
                    let (key, number) = labels(&key, number);
                    (key, number, view)
                })
                .collect(),
        }
    }

    /// Appends the families.
    pub(super) fn write(&self, page: &mut Page) {
        page.family("codecgate_codec_decodes_total", "counter", "Decodes by how they ended; held = the codec is left alone.");
        for (product, version, view) in &self.versions {
            for (end, count) in CallEnd::ALL.iter().zip(view.ends) {
                page.row(&[("product", product), ("version", version), ("outcome", end.as_str())], count);
            }
        }
        page.family("codecgate_codec_degraded", "gauge", "1 = the version trapped or ran on too often and is left alone.");
        for (product, version, view) in &self.versions {
            page.row(&[("product", product), ("version", version)], u8::from(view.degraded));
        }
        page.family("codecgate_codec_memory_high_bytes", "gauge", "Most linear memory that an instance had after a call.");
        for (product, version, view) in &self.versions {
            page.row(&[("product", product), ("version", version)], view.memory_high);
        }
        page.family("codecgate_codec_decode_seconds", "histogram", "Time of a decode, sandbox included.");
        for (product, version, view) in &self.versions {
            latency(page, (product, version), view);
        }
        page.family("codecgate_codec_decode_fuel", "histogram", "Fuel of a decode, of one uplink in 1,024 and of shadow runs.");
        for (product, version, view) in &self.versions {
            let bounds = FUEL_BOUNDS.iter().map(u64::to_string).chain(["+Inf".to_owned()]);
            histogram(page, (product, version), bounds.zip(view.fuel), view.fuel_sum);
        }
        page.family(
            "codecgate_codec_versions_unlisted",
            "gauge",
            "Versions that were called and have no series, for their number.",
        );
        page.row(&[], self.unlisted);
        page.family(
            "codecgate_shadow_uplinks_total",
            "counter",
            "Uplinks that a candidate decoded beside the traffic, by finding.",
        );
        for (product, version, findings, dropped) in &self.shadows {
            for (finding, count) in Finding::ALL.iter().zip(findings) {
                page.row(&[("product", product), ("version", version), ("finding", finding.as_str())], count);
            }
            page.row(&[("product", product), ("version", version), ("finding", "dropped")], dropped);
        }
    }
}

fn latency(page: &mut Page, of: (&str, &str), view: &PulseView) {
    let bounds = LATENCY_BOUNDS_US.iter().map(|us| micros(*us)).chain(["+Inf".to_owned()]);
    histogram(page, of, bounds.zip(view.latency), std::time::Duration::from_nanos(view.latency_sum_ns).as_secs_f64());
}

/// Buckets with their upper bounds, each counted for itself.
fn histogram(
    page: &mut Page,
    (product, version): (&str, &str),
    buckets: impl Iterator<Item = (String, u64)>,
    sum: impl std::fmt::Display,
) {
    let labels = [("product", product), ("version", version)];
    let mut below = 0_u64;
    for (bound, count) in buckets {
        below = below.saturating_add(count);
        page.row_of("_bucket", &[labels[0], labels[1], ("le", &bound)], below);
    }
    page.row_of("_sum", &labels, sum);
    page.row_of("_count", &labels, below);
}

/// Microseconds as a decimal of seconds.
fn micros(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_its_series_and_a_histogram_that_adds_up() {
        let mut view = PulseView { ends: [3, 0, 1, 0, 0, 0, 2], degraded: true, memory_high: 65_536, ..PulseView::default() };
        view.latency[0] = 3;
        view.latency[LATENCY_BOUNDS_US.len()] = 1;
        view.latency_sum_ns = 1_500_000_000;
        view.fuel[3] = 2;
        view.fuel_sum = 7_000;
        let counts = CodecCounts {
            versions: vec![("Acme01/WM20".to_owned(), "2".to_owned(), view)],
            unlisted: 7,
            shadows: vec![("Acme01/WM20".to_owned(), "3".to_owned(), [9, 1, 0, 0, 0], 4)],
        };
        let mut page = Page::default();
        counts.write(&mut page);
        for line in [
            "codecgate_codec_decodes_total{product=\"Acme01/WM20\",version=\"2\",outcome=\"trap\"} 1",
            "codecgate_codec_decodes_total{product=\"Acme01/WM20\",version=\"2\",outcome=\"held\"} 2",
            "codecgate_codec_degraded{product=\"Acme01/WM20\",version=\"2\"} 1",
            "codecgate_codec_decode_seconds_bucket{product=\"Acme01/WM20\",version=\"2\",le=\"0.000001\"} 3",
            "codecgate_codec_decode_seconds_bucket{product=\"Acme01/WM20\",version=\"2\",le=\"+Inf\"} 4",
            "codecgate_codec_decode_seconds_sum{product=\"Acme01/WM20\",version=\"2\"} 1.5",
            "codecgate_codec_decode_seconds_count{product=\"Acme01/WM20\",version=\"2\"} 4",
            "codecgate_codec_decode_fuel_bucket{product=\"Acme01/WM20\",version=\"2\",le=\"2000\"} 0",
            "codecgate_codec_decode_fuel_bucket{product=\"Acme01/WM20\",version=\"2\",le=\"5000\"} 2",
            "codecgate_codec_decode_fuel_sum{product=\"Acme01/WM20\",version=\"2\"} 7000",
            "codecgate_codec_versions_unlisted 7",
            "codecgate_shadow_uplinks_total{product=\"Acme01/WM20\",version=\"3\",finding=\"different\"} 1",
            "codecgate_shadow_uplinks_total{product=\"Acme01/WM20\",version=\"3\",finding=\"dropped\"} 4",
        ] {
            assert!(page.text.lines().any(|own| own == line), "{line} is not in\n{}", page.text);
        }
    }
}
