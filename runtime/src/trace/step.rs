//! One step of a trace: what happened, whether it went well, whose move it is now; and the words for it in two languages.

use serde::{Serialize, Serializer};

use crate::model::Timestamp;

/// Which part of the gateway tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A datagram came.
    PacketIn,
    /// A datagram left.
    PacketOut,
    /// What the message layer made of the datagram before it, where that is not plain: heard before, malformed, refused.
    Message,
    /// The device comes, renews, leaves, or is refused.
    Registration,
    /// A call of the codec.
    Codec,
    /// What became durable.
    Store,
    /// A command moved from one state to another.
    Command,
    /// A delivery to a subscription.
    Push,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Ok,
    /// Not as it should; the detail says why.
    Failed,
    /// Neither: worth knowing.
    Note,
}

/// Whose move it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The gateway goes on by itself.
    Gateway,
    /// The device answers, speaks or sends again.
    Device,
    /// The application, or the receiver of a subscription.
    Application,
    /// Who runs the gateway has something to mend.
    Operator,
    /// The author of the codec has.
    Author,
    /// This is finished.
    Nobody,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Number in its trace, from 1; later steps have greater ones.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Who tells it.
    pub kind: Kind,
    /// How it went.
    pub outcome: Outcome,
    /// Whose move it is now.
    pub turn: Turn,
    /// The facts, in words; at most [`super::DETAIL_BYTES`], cut at a character.
    pub detail: String,
}

/// The language of a step's fixed words. Details are English: they hold names and texts of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English
    #[default]
    English,
    /// Chinese, simplified
    Chinese,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::PacketIn, Self::PacketOut, Self::Message, Self::Registration, Self::Codec, Self::Store, Self::Command, Self::Push];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PacketIn => "packet-in",
            Self::PacketOut => "packet-out",
            Self::Message => "message",
            Self::Registration => "registration",
            Self::Codec => "codec",
            Self::Store => "store",
            Self::Command => "command",
            Self::Push => "push",
        }
    }

    /// For a reader.
    #[must_use]
    pub fn words(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::English, _) => self.as_str(),
            (Language::Chinese, Self::PacketIn) => "收到报文",
            (Language::Chinese, Self::PacketOut) => "发出报文",
            (Language::Chinese, Self::Message) => "报文处理",
            (Language::Chinese, Self::Registration) => "设备注册",
            (Language::Chinese, Self::Codec) => "编解码插件",
            (Language::Chinese, Self::Store) => "数据存储",
            (Language::Chinese, Self::Command) => "命令状态",
            (Language::Chinese, Self::Push) => "数据推送",
        }
    }
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Failed, Self::Note];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Note => "note",
        }
    }

    /// For a reader.
    #[must_use]
    pub fn words(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::English, _) => self.as_str(),
            (Language::Chinese, Self::Ok) => "成功",
            (Language::Chinese, Self::Failed) => "失败",
            (Language::Chinese, Self::Note) => "提示",
        }
    }
}

impl Turn {
    /// All turns.
    pub const ALL: [Self; 6] = [Self::Gateway, Self::Device, Self::Application, Self::Operator, Self::Author, Self::Nobody];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Device => "device",
            Self::Application => "application",
            Self::Operator => "operator",
            Self::Author => "codec-author",
            Self::Nobody => "nobody",
        }
    }

    /// For a reader.
    #[must_use]
    pub fn words(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::English, _) => self.as_str(),
            (Language::Chinese, Self::Gateway) => "平台",
            (Language::Chinese, Self::Device) => "设备",
            (Language::Chinese, Self::Application) => "应用",
            (Language::Chinese, Self::Operator) => "运维",
            (Language::Chinese, Self::Author) => "插件开发者",
            (Language::Chinese, Self::Nobody) => "无",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Turn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
