//! What became of an uplink and why (FAQ 4.1.3.7, 4.1.3.8, 4.1.3.10, 4.1.3.12).

use super::{Turn, Verdict, Words};
use crate::model::{CommandId, EventKind, Timestamp};

/// What a verdict on an uplink is made from: the events that it became.
#[derive(Debug, Clone, Default)]
pub struct UplinkFacts {
    /// From whom.
    pub endpoint: String,
    /// When it came.
    pub received: Timestamp,
    /// Kinds of its events.
    pub kinds: Vec<EventKind>,
    /// `code` and `detail` of a dead letter.
    pub error: Option<(String, String)>,
    /// Version or digest of the codec, as the events tell it.
    pub codec: Option<String>,
    /// Values that break a limit of the profile.
    pub marks: usize,
    /// Responses in it: the mid, and the command that it answered.
    pub responses: Vec<(u64, Option<CommandId>)>,
    /// Whether it was decoded again later, and now has values.
    pub is_corrected: bool,
}

/// The verdict.
#[must_use]
pub fn uplink(facts: &UplinkFacts) -> Verdict {
    judged(facts)
        .with("device", &facts.endpoint)
        .with("received", facts.received)
        .with_some("codec", facts.codec.as_deref())
        .with("events", facts.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "))
}

fn judged(facts: &UplinkFacts) -> Verdict {
    if let Some((code, detail)) = &facts.error {
        return dead(facts, code, detail);
    }
    if facts.kinds.contains(&EventKind::Transparent) {
        return Verdict::new(
            "transparent",
            Turn::Application,
            Words::new(
                "it was stored and pushed as it came: the product has no codec",
                "已存储并原样推送：该产品没有编解码插件（透传）",
            ),
        )
        .advise("decode it in the application, or install a codec", "请在应用侧解码，或为产品安装插件");
    }
    if facts.kinds.contains(&EventKind::Resources) {
        return Verdict::new(
            "resources",
            Turn::Nobody,
            Words::new("values of LwM2M resources: read, stored and pushed", "LwM2M 资源值：已解析、存储并推送"),
        );
    }
    if let Some((mid, _)) = facts.responses.iter().find(|(_, command)| command.is_none()) {
        return Verdict::new(
            "response-unmatched",
            Turn::Codec,
            Words::new(
                format!("it answers a command with mid {mid}, and no command of this device that is under way has that mid"),
                format!("设备返回了 mid 为 {mid} 的命令响应，但没有对应的已下发命令"),
            ),
        )
        .advise(
            "compare the mid that the codec writes into the command with the one that it reads from the answer",
            "请检查插件：编码命令时写入的 mid 与解码响应时读出的 mid 是否一致",
        );
    }
    if let Some((mid, Some(command))) = facts.responses.first() {
        return Verdict::new(
            "response",
            Turn::Nobody,
            Words::new(
                format!("it answers the command {command} (mid {mid}), which moved on"),
                format!("命令 {command}（mid {mid}）的响应，命令状态已更新"),
            ),
        )
        .with("command", command);
    }
    if facts.marks > 0 {
        return Verdict::new(
            "decoded-with-marks",
            Turn::Device,
            Words::new(
                format!("it was decoded, stored and pushed; {} values break a limit of the profile and are marked", facts.marks),
                format!("已解码、存储并推送；其中 {} 个值超出 profile 限定范围，已做标记", facts.marks),
            ),
        )
        .advise("check the sensor, or the limits in the profile", "请检查传感器，或 profile 中的取值范围");
    }
    Verdict::new("decoded", Turn::Nobody, Words::new("it was decoded, stored and pushed", "已解码、存储并推送"))
}

fn dead(facts: &UplinkFacts, code: &str, detail: &str) -> Verdict {
    let kept = Words::new("its bytes are kept and can be decoded again", "原始数据已保存，修复后可重新解码");
    let (turn, why) = match code {
        "trap" | "deadline" | "too-large" | "broken-promise" => (
            Turn::Codec,
            Words::new(
                format!("the codec failed on it ({code}): {detail}; {}", kept.en),
                format!("插件解码异常（{code}）：{detail}；{}", kept.zh),
            ),
        ),
        "codec-not-loaded" | "codec-degraded" => (
            Turn::Codec,
            Words::new(format!("the codec was not called ({code}): {detail}"), format!("插件未被调用（{code}）：{detail}")),
        ),
        "checksum" | "truncated" => (
            Turn::Device,
            Words::new(
                format!("the frame arrived damaged or cut short ({code}): {detail}; {}", kept.en),
                format!("收到的码流损坏或不完整（{code}）：{detail}；{}", kept.zh),
            ),
        ),
        _ => (
            Turn::Codec,
            Words::new(
                format!("the codec refused it ({code}): {detail}; {}", kept.en),
                format!("插件拒绝了该码流（{code}）：{detail}；{}", kept.zh),
            ),
        ),
    };
    if facts.is_corrected {
        let why = Words::new(format!("{}; it was decoded again since", why.en), format!("{}；之后已重新解码成功", why.zh));
        return Verdict::new("redecoded", Turn::Nobody, why).with("code", code);
    }
    Verdict::new("dead-letter", turn, why)
        .advise(
            "run it with `codecgate plugin run DIR --hex ..`, mend the codec or the firmware, then POST /products/{id}/redecode",
            "请用 codecgate plugin run DIR --hex .. 复现，修正插件或固件后调用 redecode 重新解码",
        )
        .with("code", code)
}
