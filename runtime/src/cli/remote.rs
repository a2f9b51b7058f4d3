//! A running gateway, asked over its HTTP API: one request at a time, and every refusal told with all that the gateway says.
//!
//! Knows paths and problems, no command of the command line. The only file of `cli` that makes requests.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::Failure;

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time of a request: an admission takes seconds, the gateway answers within 30.
const REQUEST: Duration = Duration::from_secs(60);
/// The problem of something that is there already.
const EXISTS: &str = "E4302";
/// Longest list of products that is looked through.
const MOST_PAGES: usize = 1_000;

/// A gateway.
pub(super) struct Remote {
    base: Url,
    key: String,
    client: Client,
    runtime: Runtime,
}

impl Remote {
    /// Asks nothing yet.
    pub(super) fn new(gateway: &str, key: Option<&str>) -> Result<Self, Failure> {
        let not_one = |why: String| {
            Failure::usage(format!("`{gateway}` is no address of a gateway: {why}"))
                .hint("write http://HOST:PORT, such as http://127.0.0.1:8080")
        };
        let base = Url::parse(gateway).map_err(|error| not_one(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(not_one("only http and https are spoken".to_owned()));
        }
        let key = key.map(str::trim).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| {
            Failure::usage("the gateway's API needs a key")
                .hint("set CODECGATE_KEY or give --key; the first key lies in `api-key` of the gateway's data folder")
        })?;
        let client = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).timeout(REQUEST).build();
        let client = client.map_err(|error| Failure::failed("the HTTP client cannot be set up").because(error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, key: key.to_owned(), client, runtime })
    }

    /// GET
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// POST without a body.
    pub(super) fn post(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::POST, path, None)
    }

    /// Any request with a body.
    pub(super) fn send(&self, method: Method, path: &str, media_type: &str, body: Vec<u8>) -> Result<Value, Failure> {
        self.ask(method, path, Some((media_type, body)))
    }

    /// The number of the product that is meant: a number, or `manufacturerId/model`.
    pub(super) fn product(&self, wanted: &str) -> Result<u64, Failure> {
        if let Ok(number) = wanted.parse() {
            return Ok(number);
        }
        let mut after = String::new();
        for _ in 0..MOST_PAGES {
            let page = &self.get(&format!("/api/v1/products?limit=1000{after}"))?;
            for product in list(page, "items") {
                let name = format!("{}/{}", text(product, "manufacturerId"), text(product, "model"));
                if name == wanted
                    && let Some(number) = at(product, "id").as_u64()
                {
                    return Ok(number);
                }
            }
            match at(page, "next").as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        Err(Failure::failed(format!("the gateway has no product {wanted}"))
            .hint("create it first, or push a package with --create"))
    }

    /// POSTs many JSON bodies, some of them at a time. How many things came into being, and how many were there already; any other
    /// refusal ends it.
    pub(super) fn create_all(&self, path: &str, bodies: Vec<Vec<u8>>, at_once: usize) -> Result<(usize, usize), Failure> {
        self.runtime.block_on(async {
            let requests = bodies.into_iter().map(|body| self.request(Method::POST, path, Some(("application/json", body))));
            let mut answers = stream::iter(requests).buffer_unordered(at_once.max(1));
            let (mut new, mut known) = (0, 0);
            while let Some(answer) = answers.next().await {
                match answer? {
                    (status, _) if status.is_success() => new += 1,
                    (_, problem) if text(&problem, "code") == EXISTS => known += 1,
                    (status, problem) => return Err(self.refused(status, &problem)),
                }
            }
            Ok((new, known))
        })
    }

    fn ask(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<Value, Failure> {
        let (status, value) = self.runtime.block_on(self.request(method, path, body))?;
        if status.is_success() { Ok(value) } else { Err(self.refused(status, &value)) }
    }

    /// The status and the JSON of an answer, null when it is none.
    async fn request(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Result<(StatusCode, Value), Failure> {
        let url = self.base.join(path).map_err(|error| Failure::failed(format!("{path} is no path: {error}")))?;
        let mut request = self.client.request(method, url).bearer_auth(&self.key);
        if let Some((media_type, body)) = body {
            request = request.header(CONTENT_TYPE, media_type).body(body);
        }
        let answered = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status(), response.bytes().await?))
        };
        let (status, body) = answered.await.map_err(|error| self.unreachable(error))?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let base = &self.base;
        if error.is_timeout() {
            return Failure::failed(format!("the gateway at {base} did not answer in time")).because(error);
        }
        let failure = Failure::failed(format!("the gateway at {base} cannot be reached"));
        failure.because(error.without_url()).hint("is it running there? --gateway or CODECGATE_GATEWAY names another")
    }

    /// The problem document in words, with every mistake in it.
    fn refused(&self, status: StatusCode, problem: &Value) -> Failure {
        let Some(code) = at(problem, "code").as_str() else {
            let message = format!("{} answered {status}, and not as a codecgate does", self.base);
            return Failure::failed(message).hint("is something else listening there?");
        };
        let mut message = format!("the gateway refused [{code}] {}: {}", text(problem, "title"), text(problem, "detail"));
        for mistake in list(problem, "mistakes") {
            let place = format!("{}#{}", text(mistake, "file"), text(mistake, "pointer"));
            message.push_str(&format!("\n  [{}] {place}: {}", text(mistake, "code"), text(mistake, "reason")));
            message.push_str(&format!("\n      fix: {}", text(mistake, "fix")));
        }
        match at(problem, "hint").as_str() {
            Some(hint) => Failure::failed(message).hint(hint),
            None => Failure::failed(message),
        }
    }
}

/// A member of an answer; null when there is none.
pub(super) fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// A member that should be a text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    at(value, name).as_str().unwrap_or_default()
}

/// A member that should be a list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    at(value, name).as_array().into_iter().flatten()
}

/// `?name=value&...` of those that are there.
pub(super) fn query(members: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (name, value) in members {
        if let Some(value) = value {
            text.push(if text.is_empty() { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(&encoded(value));
        }
    }
    text
}

/// Any text as a segment of a path or a value of a query (RFC 3986 2.1).
pub(super) fn encoded(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => safe.push(char::from(byte)),
            other => safe.push_str(&format!("%{other:02X}")),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_any_text() {
        assert_eq!(query(&[]), "");
        let members = [("candidate", None), ("comment", Some("水表 a&b=c")), ("x", Some("1"))];
        assert_eq!(query(&members), "?comment=%E6%B0%B4%E8%A1%A8%20a%26b%3Dc&x=1");
    }

    #[test]
    fn what_is_no_gateway_is_wrong_use() {
        for (gateway, key) in [("127.0.0.1:8080", Some("k")), ("ftp://x", Some("k")), ("http://x", None), ("http://x", Some(" "))]
        {
            let failure = Remote::new(gateway, key).err().unwrap();
            assert_eq!(failure.exit, super::super::Exit::Usage, "{gateway}");
        }
        assert!(Remote::new("http://127.0.0.1:8080", Some("key")).is_ok());
    }
}
