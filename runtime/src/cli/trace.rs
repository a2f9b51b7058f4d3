//! `device trace`: one device's exchange, one line a step, read from a running gateway.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::args::{Lang, TraceArgs};
use super::remote::{Remote, at, encoded, list, text};
use super::{Exit, Failure, Streams};
use crate::trace::{Kind, Language, Outcome, Turn};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn trace(args: &TraceArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = Remote::new(&args.gateway.gateway, args.gateway.key.as_deref())?;
    let path = format!("/api/v1/traces/{}", encoded(&args.endpoint));
    if args.off {
        remote.send(Method::DELETE, &path, "application/json", Vec::new())?;
        return Ok(Exit::Done);
    }
    let body = json!({ "minutes": args.minutes }).to_string().into_bytes();
    let begun = remote.send(Method::POST, &path, "application/json", body)?;
    let who = match at(&begun, "deviceId").as_u64() {
        Some(device) => format!("device {device}"),
        None => "no device of this gateway (yet); what it sends is shown all the same".to_owned(),
    };
    let until = text(&begun, "until");
    writeln!(streams.err, "{} is traced until {until}: {who}", args.endpoint)?;
    let mut after = 0;
    loop {
        let shown = remote.get(&format!("{path}?limit=1000&after={after}"))?;
        for step in list(&shown, "steps") {
            after = at(step, "seq").as_u64().unwrap_or(after);
            writeln!(streams.out, "{}", if args.json { step.to_string() } else { line(step, args.lang) })?;
        }
        streams.out.flush()?;
        let caught_up = after >= at(&shown, "last").as_u64().unwrap_or_default();
        if caught_up && !(args.follow && at(&shown, "live") == &Value::Bool(true)) {
            return Ok(Exit::Done);
        }
        if caught_up {
            std::thread::sleep(LOOK);
        }
    }
}

/// `2026-01-31T12:00:00.123Z  packet-in     ok      -> gateway      from ...`
fn line(step: &Value, lang: Lang) -> String {
    let language = match lang {
        Lang::En => Language::English,
        Lang::Zh => Language::Chinese,
    };
    let (kind, outcome, turn) = (text(step, "step"), text(step, "outcome"), text(step, "turn"));
    // A word of a newer gateway stays as it is.
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind).map_or(kind, |known| known.words(language));
    let outcome = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome).map_or(outcome, |known| known.words(language));
    let turn = Turn::ALL.into_iter().find(|known| known.as_str() == turn).map_or(turn, |known| known.words(language));
    let detail: String = text(step, "detail").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{}  {kind:<12}  {outcome:<6}  -> {turn:<12}  {detail}", text(step, "time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line_in_either_language() {
        let step = json!({
            "seq": 3, "time": "2026-01-31T12:00:00.123Z", "step": "codec", "outcome": "failed", "turn": "codec-author", "detail": "a\nb",
        });
        let english = line(&step, Lang::En);
        assert_eq!(english, "2026-01-31T12:00:00.123Z  codec         failed  -> codec-author  a b");
        let chinese = line(&step, Lang::Zh);
        assert!(chinese.contains("编解码插件") && chinese.contains("失败") && chinese.contains("插件开发者"), "{chinese}");
        let newer = json!({ "step": "radio", "outcome": "maybe", "turn": "moon" });
        assert!(line(&newer, Lang::Zh).contains("radio"));
    }
}
