//! Dead letters: why a payload could not be decoded, with all that its author needs to see it happen again.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::Body;
use super::{End, Outcome, Sender, ended};
use crate::catalog::{Pulse, Seen, Site};
use crate::codec::{CallError, LogLine};
use crate::model::{EventKind, Timestamp};

/// Most lines of the codec's log that a dead letter carries.
const LOG_LINES: usize = 16;

/// Why a payload could not be decoded.
pub(super) struct Death {
    code: &'static str,
    detail: String,
    offset: Option<u32>,
    function: Option<String>,
    /// The author's functions, innermost first.
    frames: Arc<[String]>,
}

impl Death {
    pub(super) fn host(code: &'static str, why: &str) -> Self {
        Self { code, detail: why.to_owned(), offset: None, function: None, frames: Arc::default() }
    }

    pub(super) fn call(error: &CallError) -> Self {
        let bare = |code, detail| Self { code, detail, offset: None, function: None, frames: Arc::default() };
        match error {
            CallError::Refused(fault) => Self { offset: fault.offset, ..bare(fault.kind.as_str(), fault.detail.clone()) },
            CallError::Trap { function, message, frames } => {
                Self { function: Some(function.clone()), frames: frames.clone().into(), ..bare("trap", message.clone()) }
            }
            CallError::Deadline { function, .. } | CallError::OutOfFuel { function, .. } => {
                Self { function: Some(function.clone()), ..bare("deadline", error.to_string()) }
            }
            CallError::TooLarge { .. } => bare("too-large", error.to_string()),
        }
    }

    /// The place in the codec, where it is the codec's fault.
    pub(super) fn site(&self) -> Option<Site> {
        let function = self.function.clone()?;
        Some(Site { code: self.code, function, message: self.detail.clone() })
    }

    /// Notes the place of a trap. Frames with file and line are taken from an earlier look; gives the place if nobody looked yet.
    pub(super) fn note(&mut self, pulse: &Pulse, payload: &[u8], now: Timestamp) -> Option<Site> {
        let site = self.site()?;
        match pulse.trapped(site.clone(), payload, &self.frames, now) {
            Seen::First => return Some(site),
            Seen::Known(Some(frames)) => self.frames = frames,
            Seen::Known(None) | Seen::Uncounted => {}
        }
        None
    }

    /// As `error` in events.
    pub(super) fn to_json(&self, payload: &[u8], log: &[LogLine]) -> Value {
        let mut error = json!({
            "code": self.code, "detail": self.detail, "offset": self.offset, "function": self.function,
        });
        let Some(members) = error.as_object_mut() else { return error };
        if self.function.is_some() {
            members.insert("frames".to_owned(), json!(self.frames));
            members.insert("run".to_owned(), Value::String(run_line(payload)));
        }
        if !log.is_empty() {
            let lines = log.iter().take(LOG_LINES).map(|line| json!({ "level": line.level, "text": line.text }));
            members.insert("log".to_owned(), lines.collect());
        }
        error
    }
}

/// What an author types to see it happen again.
pub(crate) fn run_line(payload: &[u8]) -> String {
    format!("codecgate plugin run DIR --hex {}", hex::encode_upper(payload))
}

/// The uplink ends as a dead letter.
pub(super) fn dead_letter(
    sender: Sender<'_>,
    payload: &[u8],
    (now, trace): (Timestamp, u64),
    death: &Death,
    log: &[LogLine],
) -> Outcome {
    tracing::debug!(endpoint = %sender.card.endpoint, code = death.code, detail = %death.detail, "dead letter");
    let error = death.to_json(payload, log).to_string();
    let body = Body::new(trace, &sender.product.provenance).hex("payload", payload).raw("error", &error).finish();
    ended(End::DeadLetter, sender.event(EventKind::DeadLetter, now, Some(payload.to_vec()), body))
}
