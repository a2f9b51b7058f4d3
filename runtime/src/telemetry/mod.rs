//! Logging: one subscriber for the process, on standard error. The only module that names tracing-subscriber.
//!
//! It decides how lines look, not what is said. Secrets do not reach it: they are [`crate::model::Secret`], whose `Debug`
//! shows a length. Metrics are not here; the API renders them from counters.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether this call set the logging of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Started,
    /// Something set it before: that stays. Two gateways in one process share one log.
    AlreadyStarted,
}

/// A filter that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadFilter(String);

/// Holds a filter such as `info,codecgate::lwm2m=debug` against the grammar, without using it.
///
/// # Errors
/// [`BadFilter`] says which part is none.
pub fn check_filter(filter: &str) -> Result<(), BadFilter> {
    parse(filter).map(drop)
}

/// Starts logging to standard error. May be called again; never panics.
///
/// # Errors
/// [`BadFilter`] when `filter` is none; a checked configuration has none such.
pub fn start(filter: &str, format: LogFormat) -> Result<Outcome, BadFilter> {
    let builder = tracing_subscriber::fmt().with_env_filter(parse(filter)?).with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            builder.with_ansi(!plain && std::io::stderr().is_terminal()).finish().try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    Ok(if started.is_ok() { Outcome::Started } else { Outcome::AlreadyStarted })
}

fn parse(filter: &str) -> Result<EnvFilter, BadFilter> {
    if filter.trim().is_empty() {
        return Err(BadFilter("an empty filter would say nothing; write `off` to mean that".to_owned()));
    }
    EnvFilter::builder().with_regex(false).parse(filter).map_err(|error| BadFilter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_twice_is_no_error() {
        assert!(start("info", LogFormat::Text).is_ok());
        assert_eq!(start("debug", LogFormat::Json), Ok(Outcome::AlreadyStarted));
    }

    #[test]
    fn filters_are_checked_before_use() {
        for good in ["info", "off", "warn,codecgate::lwm2m=trace", "codecgate[uplink]=debug"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", " ", "info,x=loud", "a=b=c"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }
}
