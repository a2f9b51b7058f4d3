//! The API as an application sees it: over real HTTP, with a key.

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// A client of one gateway.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    key: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// `content-type`
    pub content_type: String,
    /// Body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON, null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The body as JSON if the status is this one.
    ///
    /// # Panics
    /// When it is another; shows the body.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
}

impl Api {
    /// A client that shows this key.
    #[must_use]
    pub fn new(base: String, key: &str) -> Self {
        Self { client: Client::new(), base, key: key.to_owned() }
    }

    /// `http://HOST:PORT`
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, Vec::new(), "").await
    }

    /// DELETE
    pub async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, Vec::new(), "").await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, body.to_string().into_bytes(), "application/json").await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, body.to_string().into_bytes(), "application/json").await
    }

    /// PUT of bytes.
    pub async fn put(&self, path: &str, body: Vec<u8>, content_type: &str) -> Answer {
        self.ask(Method::PUT, path, body, content_type).await
    }

    /// Any request.
    ///
    /// # Panics
    /// When the gateway cannot be reached.
    pub async fn ask(&self, method: Method, path: &str, body: Vec<u8>, content_type: &str) -> Answer {
        self.try_ask(method, path, body, content_type).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Any request, for tests in which the gateway may be gone.
    ///
    /// # Errors
    /// The gateway cannot be reached, or dies while it answers.
    pub async fn try_ask(&self, method: Method, path: &str, body: Vec<u8>, content_type: &str) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type).body(body);
        }
        let response = request.send().await?;
        let header = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = header.unwrap_or_default().to_owned();
        Ok(Answer { status: response.status(), content_type, text: response.text().await? })
    }
}
