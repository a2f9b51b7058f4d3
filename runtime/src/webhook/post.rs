//! One HTTP request: an event goes to a receiver, its answer comes back. The only file that makes requests.
//!
//! Knows no order, no retry and no log. Redirects are not followed, no proxy is taken from the environment, and at most 4 KiB
//! of an answer are read.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Serialize;

use super::address::{BadUrl, check_url};
use super::sign::Signer;
use crate::model::{Subscription, Timestamp};

/// Most bytes of an answer that are read: enough to reuse the connection, and to quote the answer.
const MAX_ANSWER: usize = 4_096;
/// Most bytes of an answer that a test delivery shows.
const MAX_SHOWN: usize = 1_024;
/// Most characters of an answer that an error quotes.
const MAX_QUOTED: usize = 200;
/// Shorter than the keep-alive of common receivers (5 s and more), so that a request rarely meets a closing connection.
const IDLE: Duration = Duration::from_secs(4);

/// Posts to receivers; connections are kept between requests.
pub(super) struct Poster {
    client: Client,
    clock: fn() -> Timestamp,
    timeout: Duration,
}

/// Where the events of one subscription go, and the key they are signed with.
pub(super) struct Target {
    /// Was checked when the subscription was made; an imported one may still be wrong, and then each attempt says so.
    url: Result<Url, BadUrl>,
    signer: Signer,
}

/// What a receiver said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) excerpt: Vec<u8>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// None = there was no answer.
    pub(super) status: Option<StatusCode>,
    /// A sentence, with what to do where that is known.
    pub(super) text: String,
    /// What a receiver that answered 429 or 503 asks for.
    pub(super) rest: Option<Duration>,
    /// The beginning of the answer.
    pub(super) excerpt: Vec<u8>,
}

/// A test delivery, told in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Whether a delivery would have succeeded: the answer was 2xx.
    pub success: bool,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// From the request to the answer, milliseconds.
    pub latency_ms: u64,
    /// Why it failed.
    pub error: Option<String>,
    /// What was sent.
    pub request_headers: BTreeMap<&'static str, String>,
    /// What was sent.
    pub request_body: String,
    /// The first KiB of the answer's body.
    pub response: String,
}

impl Target {
    pub(super) fn new(subscription: &Subscription) -> Self {
        Self { url: check_url(&subscription.url), signer: Signer::new(&subscription.secret) }
    }

    /// The headers of a push, in the shape of Standard Webhooks.
    fn headers(&self, id: &str, body: &str, now: Timestamp) -> [(&'static str, String); 5] {
        let seconds = now.0 / 1_000;
        [
            ("content-type", "application/json".to_owned()),
            ("user-agent", concat!("codecgate/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", self.signer.sign(id, seconds, body)),
        ]
    }
}

impl Poster {
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(clock: fn() -> Timestamp, connect: Duration, timeout: Duration, idle: usize) -> reqwest::Result<Self> {
        let client = Client::builder()
            .connect_timeout(connect)
            .timeout(timeout)
            .redirect(Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            .build()?;
        Ok(Self { client, clock, timeout })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Posts `body` once. An answer that is not 2xx is a failure.
    pub(super) async fn post(&self, target: &Target, id: &str, body: String) -> Result<Answer, Failure> {
        let headers = target.headers(id, &body, self.now());
        self.send(target, headers, body).await
    }

    /// Posts a test event once and tells all about it.
    pub(super) async fn test(&self, subscription: &Subscription) -> Attempt {
        let target = Target::new(subscription);
        let began = self.now();
        let id = format!("test-{}", began.0);
        let body = format!("{{\"id\":\"{id}\",\"kind\":\"test\",\"time\":\"{began}\",\"subscriptionId\":{}}}", subscription.id);
        let headers = target.headers(&id, &body, began);
        let request_headers = headers.clone().into_iter().collect();
        let result = self.send(&target, headers, body.clone()).await;
        let latency_ms = self.now().since(began);
        let (status, error, excerpt) = match result {
            Ok(answer) => (Some(answer.status), None, answer.excerpt),
            Err(failure) => (failure.status, Some(failure.text), failure.excerpt),
        };
        let shown = excerpt.get(..MAX_SHOWN).unwrap_or(&excerpt);
        Attempt {
            success: error.is_none(),
            status: status.map(|status| status.as_u16()),
            latency_ms,
            error,
            request_headers,
            request_body: body,
            response: String::from_utf8_lossy(shown).into_owned(),
        }
    }

    async fn send(&self, target: &Target, headers: [(&'static str, String); 5], body: String) -> Result<Answer, Failure> {
        let url = target.url.clone().map_err(|bad| Failure::unanswered(bad.to_string()))?;
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|why| Failure::unanswered(self.explain(why)))?;
        let status = response.status();
        let answer = std::mem::take(response.headers_mut());
        let mut excerpt = Vec::new();
        // Read to the end where that is near, or the connection cannot be used again. A broken body changes nothing: the
        // receiver has spoken with its status.
        while excerpt.len() < MAX_ANSWER {
            match response.chunk().await {
                Ok(Some(chunk)) => excerpt.extend(chunk.iter().take(MAX_ANSWER - excerpt.len())),
                Ok(None) | Err(_) => break,
            }
        }
        if status.is_success() { Ok(Answer { status, excerpt }) } else { Err(self.refusal(status, &answer, excerpt)) }
    }

    fn refusal(&self, status: StatusCode, headers: &HeaderMap, excerpt: Vec<u8>) -> Failure {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let mut text = format!("the receiver answered {status}");
        if status.is_redirection() {
            let to = header(LOCATION).map(|to| format!(" to {to}")).unwrap_or_default();
            text.push_str(&format!("{to}; redirects are not followed, subscribe with the final address"));
        } else if !excerpt.is_empty() {
            let said = String::from_utf8_lossy(&excerpt);
            let quoted: String = said.trim().chars().filter(|c| !c.is_control()).take(MAX_QUOTED).collect();
            text.push_str(&format!(": {quoted}"));
        }
        let asks = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let rest = header(RETRY_AFTER).filter(|_| asks).and_then(|value| retry_after(value, self.now()));
        Failure { status: Some(status), text, rest, excerpt }
    }

    /// The error in a sentence, without the address: that may hold a token.
    fn explain(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => "no connection in time: is the receiver's host up, and no firewall between?".to_owned(),
            (true, false) => format!("no connection: {cause}"),
            (false, true) => format!("no answer within {:?}: answer first, work afterwards", self.timeout),
            (false, false) => format!("the request failed: {cause}"),
        }
    }
}

impl Failure {
    fn unanswered(text: String) -> Self {
        Self { status: None, text, rest: None, excerpt: Vec::new() }
    }
}

/// `Retry-After`: seconds or a date (RFC 9110 10.2.3).
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // IMF-fixdate, the one form that may still be sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
    let (_, rest) = value.split_once(", ")?;
    let mut parts = rest.strip_suffix(" GMT")?.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    let then = Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z")).ok()?;
    Some(Duration::from_millis(then.since(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("1994-11-06T08:49:07Z").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1993 08:49:37 GMT", now), Some(Duration::ZERO));
        for nonsense in ["", "-1", "soon", "Sun, 06 Foo 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
