//! Where a command stands and why (REFERENCE C.5, C.6; FAQ 4.1.3.6, 4.1.3.9, 4.1.3.12, 4.1.3.14, 4.2.1.7-4.2.1.9).

use super::words::{since, span};
use super::{Turn, Verdict, Words};
use crate::model::{Command, CommandId, CommandState, PowerMode, Reason, Timestamp, Work};
use crate::presence::{DeviceState, Expected};

/// What is known of the device that a command is for.
#[derive(Debug, Clone, Copy)]
pub struct Addressee<'a> {
    /// Its endpoint client name.
    pub endpoint: &'a str,
    /// When it listens, everything considered.
    pub mode: PowerMode,
    /// Whether a registration lives.
    pub is_registered: bool,
    /// Where it stands.
    pub state: DeviceState,
    /// When it was heard last.
    pub last_seen: Option<Timestamp>,
    /// Until when it listens after it spoke.
    pub awake_until: Option<Timestamp>,
    /// When it will wake, most likely.
    pub expected: Option<Expected>,
}

/// What a verdict on a command is made from.
#[derive(Debug, Clone, Copy)]
pub struct CommandFacts<'a> {
    /// The command.
    pub command: &'a Command,
    /// For whom.
    pub device: Addressee<'a>,
    /// The command of the same device that goes first, while this one waits.
    pub ahead: Option<(CommandId, CommandState)>,
    /// Whether the product's codec can be called now.
    pub has_codec: bool,
}

/// The verdict.
#[must_use]
pub fn command(facts: CommandFacts<'_>, now: Timestamp) -> Verdict {
    let command = facts.command;
    let verdict = match command.state {
        CommandState::Pending => pending(facts, now),
        CommandState::Sent => sent(facts, now),
        CommandState::Delivered => delivered(command, now),
        CommandState::Successful => successful(command),
        CommandState::Failed | CommandState::Timeout | CommandState::Expired | CommandState::Canceled => ended(facts, now),
    };
    verdict
        .with("state", command.state.as_str())
        .with("created", command.created)
        .with_some("sent", command.sent())
        .with_some("delivered", command.delivered())
        .with_some("ended", command.ended())
        .with("device", facts.device.endpoint)
        .with("deviceState", facts.device.state)
        .with("powerMode", mode_name(facts.device.mode))
        .with("registered", facts.device.is_registered)
        .with_some("lastSeen", facts.device.last_seen)
}

fn mode_name(mode: PowerMode) -> &'static str {
    match mode {
        PowerMode::Psm => "PSM",
        PowerMode::Edrx => "eDRX",
        PowerMode::Drx => "DRX",
    }
}

fn pending(facts: CommandFacts<'_>, now: Timestamp) -> Verdict {
    let CommandFacts { command, device, ahead, has_codec } = facts;
    let until = Words::new(format!("it is kept until {}", command.expires()), format!("将保留到 {}", command.expires()));
    if !command.is_cached() {
        return Verdict::new(
            "going-out",
            Turn::Gateway,
            Words::new("it is to go out at once and is being encoded and stored", "立即下发命令，平台正在编码和存储，马上发出"),
        );
    }
    if matches!(command.what, Work::Named { .. }) && !has_codec {
        return Verdict::new(
            "codec-missing",
            Turn::Codec,
            Words::new(
                format!("it waits, and could not be encoded now: the product has no working codec; {}", until.en),
                format!("等待中；产品当前没有可用的编解码插件，无法编码；{}", until.zh),
            ),
        )
        .advise("upload a codec version that loads, or roll back", "请上传可用的插件版本，或回滚到之前的版本");
    }
    if let Some((id, state)) = ahead {
        let turn = if state == CommandState::Sent { Turn::Device } else { Turn::Gateway };
        return Verdict::new(
            "behind-another",
            turn,
            Words::new(
                format!(
                    "it waits for the command before it, {id}, which is {}: commands of a device go out one after the other",
                    state.as_str()
                ),
                format!("等待前一条命令 {id}（状态 {}）：同一设备的缓存命令严格串行下发", state.as_str()),
            ),
        )
        .with("ahead", id);
    }
    if !device.is_registered {
        let never = device.state == DeviceState::Registered;
        let (code, why) = if never {
            ("never-registered", Words::new("it waits: the device has never registered", "等待中：设备从未注册上线"))
        } else {
            ("not-registered", Words::new("it waits: the device has no registration now", "等待中：设备当前没有有效注册"))
        };
        return Verdict::new(code, Turn::Device, Words::new(format!("{}; {}", why.en, until.en), format!("{}；{}", why.zh, until.zh)))
            .advise(
                "let it register: check power, SIM card, server address and endpoint name; `codecgate device trace` shows what arrives",
                "请让设备重新注册：检查供电、SIM 卡、平台地址和 endpoint 名称；可用 codecgate device trace 查看到达的消息",
            );
    }
    let listens = device.mode != PowerMode::Psm || device.awake_until.is_some_and(|until| now < until);
    if listens {
        return Verdict::new(
            "going-out",
            Turn::Gateway,
            Words::new(
                "the device listens: it goes out within seconds, or when the device has sent its last report",
                "设备可接收：命令即将发出，或等设备上报完（hasMore 为 0）后发出",
            ),
        );
    }
    let silent = device.last_seen.map(|seen| since(seen, now));
    let quiet = silent
        .as_ref()
        .map_or(Words::new("", ""), |span| Words::new(format!(", silent for {}", span.en), format!("，已静默 {}", span.zh)));
    match device.expected {
        Some(expected) => {
            let spread = span(expected.spread_ms);
            Verdict::new(
                "device-asleep",
                Turn::Device,
                Words::new(
                    format!(
                        "the device sleeps (PSM{}): the command goes out when it reports, which is expected about {} (give or take {}); {}",
                        quiet.en, expected.at, spread.en, until.en
                    ),
                    format!(
                        "设备处于休眠（PSM{}）：设备上报后下发，预计约在 {}（误差 {}）；{}",
                        quiet.zh, expected.at, spread.zh, until.zh
                    ),
                ),
            )
            .with("expectedWake", expected.at)
            .with("learnedFromWakes", expected.wakes)
        }
        None => Verdict::new(
            "device-asleep",
            Turn::Device,
            Words::new(
                format!("the device sleeps (PSM{}): the command goes out when it reports; {}", quiet.en, until.en),
                format!("设备处于休眠（PSM{}）：需等设备上报一条数据后下发；{}", quiet.zh, until.zh),
            ),
        )
        .advise("let the device report once, or wait", "可让设备上报一条数据，或继续等待"),
    }
}

fn sent(facts: CommandFacts<'_>, now: Timestamp) -> Verdict {
    let command = facts.command;
    let ago = since(command.last_sent().unwrap_or(now), now);
    let until = command.due().unwrap_or(now);
    let (en, zh) = match facts.device.mode {
        PowerMode::Edrx => {
            ("the network hands it over when the device listens next", "eDRX 模式下由核心网缓存，设备下次监听时送达")
        }
        PowerMode::Psm | PowerMode::Drx => ("it is sent again by itself until then", "在此之前平台会自动重发"),
    };
    let again = command.history.iter().any(|step| step.reason == Some(Reason::Resent));
    let resent =
        if again { (" again after a restart of the gateway", "（平台重启后重发同一条消息）") } else { ("", "") };
    Verdict::new(
        "awaiting-acknowledgement",
        Turn::Network,
        Words::new(
            format!(
                "it left the gateway {} ago{}, and the module's acknowledgement is awaited until {until}; {en}",
                ago.en, resent.0
            ),
            format!("命令已于 {}前发出{}，等待模组的 ACK 直到 {until}；{zh}", ago.zh, resent.1),
        ),
    )
    .advise(
        "if it stays so, ask the network operator about the downlink and look at the module's log",
        "如果一直处于该状态，请联系运营商检查网络侧，并联系模组厂家检查设备侧",
    )
}

fn delivered(command: &Command, now: Timestamp) -> Verdict {
    let ago = since(command.delivered().unwrap_or(now), now);
    if !matches!(command.what, Work::Named { .. }) {
        return Verdict::new(
            "delivered-for-good",
            Turn::Nobody,
            Words::new(
                format!("the device took it {} ago; bytes of your own have no response, so this is as far as it comes", ago.en),
                format!("设备已于 {}前收到；透传命令没有对应的响应，已送达即为最终结果", ago.zh),
            ),
        );
    }
    Verdict::new(
        "awaiting-response",
        Turn::Device,
        Words::new(
            format!("the module acknowledged it {} ago; the application's response with mid {} has not come", ago.en, command.mid.unwrap_or(0)),
            format!("模组已于 {}前返回 ACK；尚未收到设备应用层对 mid {} 的响应", ago.zh, command.mid.unwrap_or(0)),
        ),
    )
    .advise(
        "get the module's log; if the device did answer, the codec reads another mid out of the answer than it wrote into the command",
        "请获取模组日志分析；如果设备确实已响应，请检查插件中 mid 字段的编解码是否一致",
    )
    .with_some("mid", command.mid)
}

fn successful(command: &Command) -> Verdict {
    let late = command.history.iter().any(|step| step.reason == Some(Reason::Late));
    let (en, zh) = if late { (", after it had been given up", "（在判定超时之后才到达）") } else { ("", "") };
    Verdict::new(
        "done",
        Turn::Nobody,
        Words::new(format!("the device did it and answered so{en}"), format!("设备已执行并返回成功{zh}")),
    )
}

fn ended(facts: CommandFacts<'_>, now: Timestamp) -> Verdict {
    let command = facts.command;
    let failure = command.failure();
    let detail = failure.map(|failure| failure.detail.to_owned()).unwrap_or_default();
    let reason = failure.map(|failure| failure.reason);
    let verdict = match reason {
        Some(Reason::EncodeFailed) => Verdict::new(
            "encode-failed",
            Turn::Codec,
            Words::new(format!("the codec made no bytes of it: {detail}"), format!("编解码插件编码失败（Encode error）：{detail}")),
        )
        .advise(
            "run the command with `codecgate plugin run`, mend the codec, upload it and send the command again",
            "请用 codecgate plugin run 复现，修正插件并上传后重新下发",
        ),
        Some(Reason::NotAccepted) => Verdict::new(
            "not-accepted",
            Turn::Application,
            Words::new(format!("it does not fit the product of this device: {detail}"), format!("命令与该设备的产品模型不符：{detail}")),
        )
        .advise("correct the parameters, or leave devices of this product out of the batch", "请修正参数，或在批量任务中排除该产品的设备"),
        Some(Reason::Limit) => Verdict::new(
            "limit",
            Turn::Application,
            Words::new(format!("the device had too many open commands: {detail}"), format!("该设备未完成的命令过多：{detail}")),
        )
        .advise("wait until some have ended, cancel some, then retry", "请等待或取消部分命令后重试"),
        Some(Reason::NotRegistered) => Verdict::new(
            "not-registered",
            Turn::Application,
            Words::new(
                "it was to go out at once, and the device had no registration",
                "立即下发的命令，而设备当时没有注册，无法送达",
            ),
        )
        .advise("give it an expireTime: it then waits for the device", "请设置 expireTime 大于 0，改为缓存命令，等设备上线后下发"),
        Some(Reason::OfflineDevice) => Verdict::new(
            "offline-device",
            Turn::Application,
            Words::new(
                format!("it was to go out at once, and the device counted as {}", facts.device.state),
                format!("立即下发的命令，而设备状态为 {}（长时间未上报数据）", facts.device.state),
            ),
        )
        .advise(
            "let the device report (a heartbeat at least every 25 h keeps it online), or give the command an expireTime",
            "请让设备上报一条数据（至少每 25 小时上报一次心跳以保持在线），或改为缓存命令",
        ),
        Some(Reason::DeviceRefused) => Verdict::new(
            "device-refused",
            Turn::Device,
            Words::new(format!("the module refused the message: {detail}"), format!("模组拒绝了该消息：{detail}")),
        )
        .advise(
            "4.04 or 4.05: it has no such resource; 4.06 or 4.15: another content format; RST: it registered anew",
            "4.04/4.05 表示设备没有该资源；4.06/4.15 表示内容格式不支持；RST 表示设备已重新注册",
        ),
        Some(Reason::DeviceError) => Verdict::new(
            "device-error",
            Turn::Device,
            Words::new(
                format!("the device received it and answered with errcode {}", command.errcode.unwrap_or(0)),
                format!("设备已收到命令并返回错误码 {}", command.errcode.unwrap_or(0)),
            ),
        )
        .advise("the device's manual says what this errcode means", "错误码的含义请查阅设备说明"),
        Some(Reason::OutcomeUnknown) => Verdict::new(
            "outcome-unknown",
            Turn::Application,
            Words::new(
                "it was sent and may have been done: its outcome was lost, and it is not repeated because twice is not the same as once",
                "命令已发出且可能已执行，但结果未知；由于重复执行并非无害，平台不会自动重发",
            ),
        )
        .advise("look at the device's state before you send it again", "请先确认设备的实际状态，再决定是否重新下发"),
        Some(Reason::Expired) => expired(facts),
        Some(Reason::Superseded) => Verdict::new(
            "superseded",
            Turn::Nobody,
            Words::new(format!("it was never sent: {detail}"), format!("未下发：已被同一 supersede 键的新命令取代（{detail}）")),
        ),
        Some(Reason::Canceled) => Verdict::new(
            "canceled",
            Turn::Nobody,
            Words::new("the application canceled it before it was sent", "应用在下发之前撤销了该命令"),
        ),
        Some(Reason::NoAcknowledgement | Reason::Resent | Reason::Late) | None => timeout(facts, now),
    };
    verdict.with_some("reason", reason.map(Reason::as_str)).with_some("detail", Some(detail).filter(|detail| !detail.is_empty()))
}

fn expired(facts: CommandFacts<'_>) -> Verdict {
    let CommandFacts { command, device, .. } = facts;
    let kept = span(command.expire_time_s.saturating_mul(1_000));
    let heard_since = device.last_seen.is_some_and(|seen| seen > command.created);
    let (turn, en, zh) = if heard_since {
        (
            Turn::Gateway,
            "though the device spoke meanwhile: others were before it, or it stayed awake too briefly",
            "期间设备曾上报，但前面有其他命令排队，或设备在线时间太短",
        )
    } else {
        (Turn::Device, "and the device was not heard in all that time", "期间设备一直没有上报数据")
    };
    Verdict::new("expired", turn, Words::new(format!("it waited {}, {en}", kept.en), format!("缓存了 {}，{zh}", kept.zh))).advise(
        "choose an expireTime longer than the device's reporting interval, and send it again",
        "请把 expireTime 设置得比设备的上报周期更长，然后重新下发",
    )
}

fn timeout(facts: CommandFacts<'_>, now: Timestamp) -> Verdict {
    let CommandFacts { command, device, .. } = facts;
    let waited = span(command.ended().unwrap_or(now).since(command.sent().unwrap_or(command.created)));
    let verdict = Verdict::new(
        "no-acknowledgement",
        Turn::Network,
        Words::new(
            format!("it left the gateway, and within {} no acknowledgement of the module came back", waited.en),
            format!("命令已由平台发出，但在 {}内没有收到模组的 ACK", waited.zh),
        ),
    );
    if device.mode == PowerMode::Psm && !command.is_cached() {
        return verdict.advise(
            "a PSM device was asleep, most likely: give the command an expireTime, and it waits for the next report",
            "设备很可能处于 PSM 休眠：请设置 expireTime 改为缓存命令，等设备上报后再下发",
        );
    }
    verdict.advise(
        "ask the network operator about coverage and the device's power mode, and look at the module's log",
        "请联系运营商检查网络覆盖和省电模式，并联系模组厂家检查设备侧日志",
    )
}
