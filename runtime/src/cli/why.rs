//! `why`: where a command or an uplink stands, whose move it is and what to do, as a running gateway says it.

use serde_json::Value;

use super::args::{Lang, WhyArgs};
use super::remote::{Remote, at, list, text};
use super::{Exit, Failure, Streams};

pub(super) fn why(args: &WhyArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = Remote::new(&args.gateway.gateway, args.gateway.key.as_deref())?;
    let verdict = remote.get(&format!("/api/v1/why/{}", args.id))?;
    if args.json {
        writeln!(streams.out, "{verdict}")?;
        return Ok(Exit::Done);
    }
    let said = |value: &Value| text(value, if args.lang == Lang::Zh { "zh" } else { "en" }).to_owned();
    writeln!(streams.out, "{}", said(at(&verdict, "why")))?;
    if let advice @ Value::Object(_) = at(&verdict, "advice") {
        writeln!(streams.out, "{}{}", if args.lang == Lang::Zh { "建议：" } else { "what to do: " }, said(advice))?;
    }
    writeln!(
        streams.out,
        "{}{}",
        if args.lang == Lang::Zh { "责任方：" } else { "whose move: " },
        turn(text(&verdict, "turn"), args.lang)
    )?;
    writeln!(streams.out, "code: {}", text(&verdict, "code"))?;
    for evidence in list(&verdict, "evidence") {
        writeln!(streams.out, "  {}: {}", text(evidence, "name"), text(evidence, "value"))?;
    }
    Ok(Exit::Done)
}

fn turn(turn: &str, language: Lang) -> &str {
    match (language, turn) {
        (Lang::Zh, "codec") => "编解码插件",
        (Lang::Zh, "gateway") => "平台",
        (Lang::Zh, "network") => "网络",
        (Lang::Zh, "device") => "设备",
        (Lang::Zh, "application") => "应用",
        (Lang::Zh, "nobody") => "无需处理",
        _ => turn,
    }
}
