//! `/metrics` in the Prometheus text format 0.0.4. Names and units are a contract with dashboards: add, do not rename.
//!
//! Shows what the parts count; counts only the API's own answers.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::codec_metrics::CodecCounts;
use super::health::Snapshot;
use crate::catalog::How;
use crate::lwm2m;
use crate::model::EventKind;
use crate::store::Durability;
use crate::webhook::{Activity, LATENCY_BOUNDS_MS, Totals};

/// Answers of the API by class of status.
#[derive(Default)]
pub(super) struct Requests {
    fine: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Requests {
    pub(super) fn count(&self, status: StatusCode) {
        let counter = if status.is_server_error() {
            &self.failed
        } else if status.is_client_error() {
            &self.refused
        } else {
            &self.fine
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn rows(&self) -> [(&'static str, u64); 3] {
        [("2xx", &self.fine), ("4xx", &self.refused), ("5xx", &self.failed)]
            .map(|(class, counter)| (class, counter.load(Ordering::Relaxed)))
    }
}

/// What a scrape shows beside the snapshot.
struct Counts<'a> {
    events: &'a [(EventKind, u64)],
    requests: [(&'static str, u64); 3],
    streams: usize,
    pushes: &'a Totals,
    coap: lwm2m::Counters,
    ignored_responses: Vec<(&'static str, u64)>,
    open_commands: u64,
    codecs: CodecCounts,
    /// Messages turned away: for their device, for their application.
    throttled: (u64, u64),
}

/// Counters and gauges in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "gateway",
    responses((status = 200, description = "Prometheus text format 0.0.4", content_type = "text/plain", body = String)))]
pub(super) async fn scrape(State(api): Shared) -> Response {
    let snapshot = Snapshot::take(&api).await;
    let events = api.parts.store.appended();
    let pushes = api.parts.pusher.totals();
    let coap = api.parts.router.coap_counts();
    let (requests, streams) = (api.requests.rows(), api.streams.open());
    let throttled = api.parts.router.throttled();
    let ignored_responses = api.parts.router.ignored_responses();
    // A store that cannot be read says so in `codecgate_store_failed`.
    let open_commands = api.parts.store.open_total().unwrap_or_default();
    let codecs = CodecCounts::take(&api);
    let counts =
        Counts { events: &events, requests, streams, pushes: &pushes, coap, ignored_responses, open_commands, codecs, throttled };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text(&snapshot, &counts)).into_response()
}

fn text(snapshot: &Snapshot, counts: &Counts<'_>) -> String {
    let Snapshot { store, uplinks, codecs, .. } = snapshot;
    let mut page = Page::default();
    page.family("codecgate_build_info", "gauge", "The running version.");
    page.row(&[("version", env!("CARGO_PKG_VERSION"))], 1);

    page.family("codecgate_uplinks_received_total", "counter", "Uplinks taken from devices.");
    page.row(&[], uplinks.received);
    page.family("codecgate_uplinks_total", "counter", "Uplinks by how they ended; with those in progress they sum to received.");
    for (outcome, count) in [
        ("decoded", uplinks.decoded),
        ("transparent", uplinks.transparent),
        ("dead-letter", uplinks.dead_letter),
        ("not-stored", uplinks.not_stored),
    ] {
        page.row(&[("outcome", outcome)], count);
    }
    page.family("codecgate_uplinks_in_progress", "gauge", "Uplinks that have not ended yet.");
    page.row(&[], uplinks.in_progress);

    page.family("codecgate_responses_ignored_total", "counter", "Responses of devices that moved no command, by why.");
    for (why, count) in &counts.ignored_responses {
        page.row(&[("why", why)], *count);
    }
    page.family("codecgate_commands_open", "gauge", "Commands that are PENDING or SENT.");
    page.row(&[], counts.open_commands);

    page.family("codecgate_coap_datagrams_total", "counter", "CoAP datagrams that came.");
    page.row(&[], counts.coap.datagrams);
    page.family("codecgate_coap_remarks_total", "counter", "CoAP messages that were not simply taken, by why.");
    for (why, count) in [
        ("malformed", counts.coap.malformed),
        ("duplicate", counts.coap.duplicates),
        ("refused", counts.coap.refused),
        ("unknown-token", counts.coap.unknown_token),
        ("busy", counts.coap.busy),
        ("partial", counts.coap.partial),
        ("outdated", counts.coap.outdated),
    ] {
        page.row(&[("why", why)], count);
    }
    page.family("codecgate_coap_retransmissions_total", "counter", "Downlinks and Observes sent again.");
    page.row(&[], counts.coap.retransmissions);

    page.family("codecgate_flow_throttled_total", "counter", "Messages that flow control turned away, by whose limit it was.");
    page.row(&[("scope", "device")], counts.throttled.0);
    page.row(&[("scope", "application")], counts.throttled.1);

    page.family("codecgate_events_total", "counter", "Events appended to the log, by kind.");
    for (kind, count) in counts.events {
        page.row(&[("kind", kind.as_str())], count);
    }

    page.family(
        "codecgate_codec_versions",
        "gauge",
        "Codec versions in memory; draining = replaced, finishing calls; broken = cannot be loaded; degraded = of the active ones, left alone.",
    );
    for (state, count) in
        [("active", codecs.active), ("draining", codecs.draining), ("broken", codecs.broken), ("degraded", codecs.degraded)]
    {
        page.row(&[("state", state)], count);
    }
    page.family("codecgate_codec_switches_total", "counter", "Codec versions put to work, by how.");
    for (how, count) in How::ALL.iter().zip(codecs.switches) {
        page.row(&[("how", how.as_str())], count);
    }

    counts.codecs.write(&mut page);

    page.family("codecgate_store_queued_commits", "gauge", "Commits waiting for the committer.");
    page.row(&[], store.queued);
    page.family("codecgate_store_disk_bytes", "gauge", "Bytes of the data folder.");
    page.row(&[], store.disk_bytes);
    page.family("codecgate_store_durable", "gauge", "1 = a commit counts after the disk has it, 0 = relaxed.");
    page.row(&[], u8::from(store.durability == Durability::Durable));
    page.family("codecgate_store_failed", "gauge", "1 = the store has failed and takes nothing any more.");
    page.row(&[], u8::from(store.fatal.is_some()));

    page.family("codecgate_subscriptions", "gauge", "Subscriptions by what they do.");
    for (state, activity) in
        [("delivering", Activity::Delivering), ("retrying", Activity::Retrying), ("paused", Activity::Paused)]
    {
        page.row(&[("state", state)], snapshot.doing(activity));
    }
    page.family("codecgate_push_waiting_events", "gauge", "Undelivered events that were read from the log.");
    page.row(&[], snapshot.waiting());
    page.family("codecgate_push_attempts_total", "counter", "Requests to subscriptions.");
    page.row(&[], counts.pushes.attempts);
    page.family("codecgate_push_results_total", "counter", "Requests to subscriptions that ended, by how.");
    page.row(&[("result", "delivered")], counts.pushes.successes);
    page.row(&[("result", "failed")], counts.pushes.failures);
    page.family("codecgate_push_gaps_total", "counter", "Times that retention dropped events before a subscription read them.");
    page.row(&[], counts.pushes.gaps);
    page.latency(counts.pushes);
    page.family("codecgate_event_streams", "gauge", "Open server-sent event streams.");
    page.row(&[], counts.streams);
    page.family("codecgate_api_answers_total", "counter", "Answers of the HTTP API by class of status.");
    for (class, count) in counts.requests {
        page.row(&[("class", class)], count);
    }
    page.text
}

/// The text as it grows: a family's head, then its rows.
#[derive(Default)]
pub(super) struct Page {
    pub(super) text: String,
    family: &'static str,
}

impl Page {
    pub(super) fn family(&mut self, name: &'static str, kind: &str, about: &str) {
        self.family = name;
        self.line(format_args!("# HELP {name} {about}\n# TYPE {name} {kind}\n"));
    }

    pub(super) fn row(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.row_of("", labels, value);
    }

    /// A row of the family's name and an ending, as histograms have them.
    pub(super) fn row_of(&mut self, ending: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let family = self.family;
        self.line(format_args!("{family}{ending}{labels} {value}\n"));
    }

    /// Time from an event to its first request, as a histogram in seconds.
    fn latency(&mut self, pushes: &Totals) {
        self.family("codecgate_push_latency_seconds", "histogram", "Time from an event to the first request that carries it.");
        let bounds = LATENCY_BOUNDS_MS.iter().map(|ms| seconds(*ms)).chain(["+Inf".to_owned()]);
        let mut below = 0_u64;
        for (bound, count) in bounds.zip(pushes.latency_counts) {
            below = below.saturating_add(count);
            self.line(format_args!("codecgate_push_latency_seconds_bucket{{le=\"{bound}\"}} {below}\n"));
        }
        let sum = seconds(pushes.latency_sum_ms);
        self.line(format_args!("codecgate_push_latency_seconds_sum {sum}\ncodecgate_push_latency_seconds_count {below}\n"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.text.write_fmt(line);
    }
}

/// Milliseconds as a decimal of seconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Census;
    use crate::shard::UplinkCounts;
    use crate::store::StoreHealth;
    use crate::webhook::Health;

    #[test]
    fn the_text_has_a_head_and_rows_for_each_family() {
        let requests = Requests::default();
        requests.count(StatusCode::OK);
        requests.count(StatusCode::NOT_FOUND);
        let snapshot = Snapshot {
            store: StoreHealth { durability: Durability::Durable, disk_bytes: 4_096, queued: 0, fatal: None },
            uplinks: UplinkCounts { received: 3, decoded: 2, dead_letter: 1, ..UplinkCounts::default() },
            subscriptions: vec![Health::default()],
            codecs: Census { active: 2, draining: 1, switches: [4, 0, 1], ..Census::default() },
        };
        let mut latency_counts = [0; LATENCY_BOUNDS_MS.len() + 1];
        latency_counts[0] = 2;
        latency_counts[LATENCY_BOUNDS_MS.len()] = 1;
        let pushes = Totals { attempts: 3, successes: 2, failures: 1, gaps: 0, latency_counts, latency_sum_ms: 4_000_001 };
        let counts = Counts {
            events: &[(EventKind::Report, 2)],
            requests: requests.rows(),
            streams: 0,
            pushes: &pushes,
            coap: Default::default(),
            ignored_responses: vec![("duplicate", 3)],
            open_commands: 7,
            codecs: CodecCounts::default(),
            throttled: (7, 0),
        };
        let text = text(&snapshot, &counts);
        for line in [
            "# TYPE codecgate_uplinks_total counter",
            "codecgate_uplinks_total{outcome=\"dead-letter\"} 1",
            "codecgate_events_total{kind=\"report\"} 2",
            "codecgate_flow_throttled_total{scope=\"device\"} 7",
            "codecgate_store_disk_bytes 4096",
            "codecgate_responses_ignored_total{why=\"duplicate\"} 3",
            "codecgate_commands_open 7",
            "codecgate_codec_versions{state=\"draining\"} 1",
            "codecgate_codec_switches_total{how=\"rollback\"} 1",
            "codecgate_api_answers_total{class=\"4xx\"} 1",
            "codecgate_store_failed 0",
            "codecgate_subscriptions{state=\"delivering\"} 1",
            "codecgate_push_results_total{result=\"failed\"} 1",
            "codecgate_push_latency_seconds_bucket{le=\"0.001\"} 2",
            "codecgate_push_latency_seconds_bucket{le=\"3600.000\"} 2",
            "codecgate_push_latency_seconds_bucket{le=\"+Inf\"} 3",
            "codecgate_push_latency_seconds_sum 4000.001",
            "codecgate_push_latency_seconds_count 3",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with('\n') && text.lines().all(|line| line.starts_with("# ") || line.starts_with("codecgate_")));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
