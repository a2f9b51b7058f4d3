//! Which addresses events may be posted to. Knows no subscription and opens no connection.
//!
//! The platform that this replaces takes only addresses with host, port and path (REFERENCE D.9); any absolute http or https
//! address will do here.

use reqwest::Url;

/// Longest address, bytes.
const MAX_BYTES: usize = 2_048;

/// An address that events cannot be posted to; every reason at once. It is not repeated here: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("events cannot be posted to this address: {}", problems.join("; "))]
pub struct BadUrl {
    /// What is wrong and what would be right, a sentence each.
    pub problems: Vec<String>,
}

/// Holds the address of a new subscription against the rules.
///
/// # Errors
/// [`BadUrl`] with every reason: not absolute, neither http nor https, user name or password in it, a fragment, port 0, too
/// long.
pub fn check_url(text: &str) -> Result<Url, BadUrl> {
    let example = "write it like https://example.org:8443/events";
    if text.len() > MAX_BYTES {
        return Err(BadUrl { problems: vec![format!("it has {} bytes, at most {MAX_BYTES} are taken", text.len())] });
    }
    let url = Url::parse(text).map_err(|why| BadUrl { problems: vec![format!("{why}; {example}")] })?;
    let mut problems = Vec::new();
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        problems.push("it contains white space; write %20 inside an address, and nothing around it".to_owned());
    }
    if !matches!(url.scheme(), "http" | "https") {
        problems.push(format!("`{}:` is neither http nor https; {example}", url.scheme()));
    } else if url.host_str().is_none_or(str::is_empty) {
        problems.push(format!("it names no host; {example}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        problems
            .push("it contains a user name or password; leave them out and check the signature of each push instead".to_owned());
    }
    if url.fragment().is_some() {
        problems.push("the part from `#` on is never sent to a server; leave it out".to_owned());
    }
    if url.port() == Some(0) {
        problems.push("port 0 cannot be connected to; name the port of the receiver".to_owned());
    }
    if problems.is_empty() { Ok(url) } else { Err(BadUrl { problems }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_http_and_https_addresses_are_taken() {
        for text in [
            "http://192.0.2.1:8080/",
            "http://192.0.2.1:8080",
            "http://192.0.2.1/path",
            "https://example.org/a/b?token=x%20y",
            "http://[2001:db8::1]:9/",
            "http://localhost:1",
        ] {
            assert!(check_url(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn each_refusal_says_what_would_be_right() {
        for (text, word) in [
            ("", "write it like"),
            ("example.org/events", "write it like"),
            ("/events", "write it like"),
            ("example.org:80/events", "neither http nor https"),
            ("ftp://example.org/", "neither http nor https"),
            ("http://", "write it like"),
            ("http:///", "write it like"),
            ("https://me:pw@example.org/", "password"),
            ("https://example.org/#here", "`#`"),
            ("https://example.org:0/", "port 0"),
            (" https://example.org/", "white space"),
            ("https://example.org/a\nb", "white space"),
        ] {
            let refusal = check_url(text).unwrap_err().to_string();
            assert!(refusal.contains(word), "{text}: {refusal}");
            assert!(!refusal.contains("pw@"), "{refusal}");
        }
        assert!(check_url(&format!("http://a/{}", "x".repeat(2_048))).is_err());
        let both = check_url("ftp://me@example.org/#x").unwrap_err();
        assert_eq!(both.problems.len(), 3, "{both}");
    }
}
