//! The words of a table: kinds of services and types of parameters, in English and as the platform's console writes them.

/// Kinds of services (REFERENCE E.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    DataReport,
    RadioReport,
    EventReport,
    Command,
    Response,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::DataReport, Self::RadioReport, Self::EventReport, Self::Command, Self::Response];

    /// First byte on the wire.
    pub(super) fn cmd(self) -> u8 {
        match self {
            Self::DataReport => 0x02,
            Self::RadioReport => 0x03,
            Self::EventReport => 0x07,
            Self::Command => 0x06,
            Self::Response => 0x86,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::DataReport => "data report",
            Self::RadioReport => "radio parameters",
            Self::EventReport => "event report",
            Self::Command => "command",
            Self::Response => "command response",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        let word = word.trim();
        let chinese = match word {
            "数据上报" => Some(Self::DataReport),
            "无线参数上报" | "信号数据上报" => Some(Self::RadioReport),
            "事件上报" => Some(Self::EventReport),
            "指令下发" => Some(Self::Command),
            "指令下发响应" => Some(Self::Response),
            _ => None,
        };
        let plain = word.to_ascii_lowercase().replace(['_', '-'], " ");
        chinese.or_else(|| Self::ALL.into_iter().find(|kind| kind.as_str() == plain))
    }

    /// For errors.
    pub(super) fn all() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

/// Types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Int,
    Unsigned,
    Float,
    Double,
    Bool,
    Enum,
    Timestamp,
    Text,
    Binary,
}

impl Word {
    pub(super) const ALL: [Self; 9] =
        [Self::Int, Self::Unsigned, Self::Float, Self::Double, Self::Bool, Self::Enum, Self::Timestamp, Self::Text, Self::Binary];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Unsigned => "unsigned",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bool => "bool",
            Self::Enum => "enum",
            Self::Timestamp => "timestamp",
            Self::Text => "string",
            Self::Binary => "binary",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        let word = word.trim().to_lowercase();
        Some(match word.as_str() {
            "integer" | "long" | "整型" | "整数" | "长整型" => Self::Int,
            "uint" | "unsigned int" | "unsigned integer" | "无符号整型" => Self::Unsigned,
            "单精度浮点" | "浮点型" | "单精度浮点型" => Self::Float,
            "双精度浮点" | "双精度浮点型" => Self::Double,
            "boolean" | "布尔" | "布尔型" => Self::Bool,
            "枚举" | "枚举型" => Self::Enum,
            "time" | "date" | "时间" | "时间戳" | "时间型" => Self::Timestamp,
            "text" | "字符串" | "文本" => Self::Text,
            "bytes" | "二进制" => Self::Binary,
            other => return Self::ALL.into_iter().find(|known| known.as_str() == other),
        })
    }

    /// For errors.
    pub(super) fn all() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Bytes that a value of this type can have; none = any number, or a length in front of each value.
    pub(super) fn widths(self) -> Option<&'static [u16]> {
        match self {
            Self::Int | Self::Unsigned => Some(&[1, 2, 4, 8]),
            Self::Enum => Some(&[1, 2, 4]),
            Self::Float => Some(&[4]),
            Self::Double | Self::Timestamp => Some(&[8]),
            Self::Bool => Some(&[1]),
            Self::Text | Self::Binary => None,
        }
    }
}
