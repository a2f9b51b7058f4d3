//! Which type of the layout can be which type of the profile (REFERENCE A.4.3), and the field of the interpreter that follows.

use codecgate_sdk::layout::{Content, Field, Length, Meaning, Role, Scale, Shape};
use codecgate_sdk::wire::ValueType;

use super::super::document::{CharsetWord, FieldDoc, RoleWord};
use super::super::message::Placed;
use super::super::shape::{Base, Extent};
use super::word;
use crate::profile::{At, FieldSpec, FieldType, Findings, code, quote};

/// The type in which the value crosses the border, or what to change.
pub(super) fn promised(
    field: &FieldDoc,
    placed: &Placed,
    spec: &FieldSpec,
    fraction: bool,
    at: &At,
    findings: &mut Findings,
) -> Option<ValueType> {
    use FieldType as F;
    let words = field.values.is_some();
    let found = match (&placed.draft.base, spec.field_type) {
        (Base::Integer { .. } | Base::Bool, F::Enum | F::String) if words => Ok(ValueType::Text),
        (Base::Integer { .. } | Base::Bool, _) if words => Err("`values` makes texts: the profile needs type enum or string"),
        (Base::Integer { .. }, F::Decimal) if fraction => Ok(ValueType::Number),
        (Base::Integer { .. }, F::Int | F::Long) if whole(field).is_some() => Ok(ValueType::Integer),
        (Base::Integer { .. }, _) if field.scale.is_some() || field.add.is_some() => {
            Err("`scale` and `add` make numbers with a fraction: the profile needs type decimal")
        }
        (Base::Integer { .. }, F::Int | F::Long | F::Decimal) => Ok(ValueType::Integer),
        (Base::Integer { .. } | Base::Bool, F::Boolean) => Ok(ValueType::Boolean),
        (Base::Bool, F::Int) => Ok(ValueType::Boolean),
        (Base::Integer { .. } | Base::Bool, F::Enum | F::String) => Err("say in `values` which text each number is"),
        (Base::Integer { .. }, F::DateTime) => Err("take type unix (seconds) or unixMs (milliseconds)"),
        (Base::Float { .. }, F::Decimal) => Ok(ValueType::Number),
        (Base::Float { .. }, _) => Err("a float is a decimal in the profile"),
        (Base::Text(_), F::String | F::Enum | F::DateTime) => Ok(ValueType::Text),
        (Base::Text(_), F::JsonObject | F::StringList) => Ok(ValueType::Json),
        (Base::Text(_), F::Int | F::Long) => Ok(ValueType::Integer),
        (Base::Text(_), F::Decimal) => Ok(ValueType::Number),
        (Base::Bytes(_), F::String) => Ok(ValueType::Text),
        (Base::Bytes(_), F::Bytes) => Ok(ValueType::Bytes),
        (Base::Bytes(_), _) => Err("an array or variant is bytes, or a string in base64, in the profile"),
        (Base::Bcd(_), F::String) => Ok(ValueType::Text),
        (Base::Bcd(_), _) => Err("digits are a string in the profile: leading zeros count"),
        (Base::Time { .. } | Base::BcdTime, F::DateTime) => Ok(ValueType::Timestamp),
        (Base::Time { .. }, F::Int | F::Long) => Err("take an integer type to pass the number on as it is"),
        (Base::Time { .. } | Base::BcdTime, _) => Err("a time is a dateTime in the profile"),
        _ => Err("take another type in one of the two"),
    };
    match found {
        Ok(value_type) => Some(value_type),
        Err(fix) => {
            let reason =
                format!("{} is {} in the profile, which {} cannot be", quote(&spec.name), word(spec.field_type), field.word);
            findings.error(&at.key("type"), code::LAYOUT_TYPE, reason, fix);
            None
        }
    }
}

/// The field, with the bytes in front that nothing is said of.
pub(in crate::layout) fn push(
    field: &FieldDoc,
    placed: &Placed,
    role: Role,
    promised: Option<ValueType>,
    at: &At,
    fields: &mut Vec<Field>,
    findings: &mut Findings,
) {
    if placed.gap > 0 {
        let shape = Shape::Padding { count: u16::try_from(placed.gap).unwrap_or(u16::MAX) };
        fields.push(Field {
            name: "padding".to_owned(),
            role: Role::Nothing,
            shape,
            default: Vec::new(),
            optional: false,
            counts: None,
        });
    }
    let little = placed.draft.little;
    let shape = match &placed.draft.base {
        Base::Integer { width, .. } if placed.role == RoleWord::PayloadLength => {
            Shape::PayloadLength { width: *width, little, adjust: field.adjust.unwrap_or(0) }
        }
        // The id of a message that goes up was looked at before; down it is always the same bytes.
        Base::Integer { .. } if placed.role == RoleWord::MessageId => Shape::Constant,
        Base::Integer { width, signed } => {
            let Some(meaning) = meaning(field, *width, *signed, promised, at, findings) else { return };
            Shape::Number { width: *width, signed: *signed, little, meaning }
        }
        Base::Bool => {
            let Some(meaning) = meaning(field, 1, false, promised, at, findings) else { return };
            let meaning = if promised == Some(ValueType::Text) { meaning } else { Meaning::Flag };
            Shape::Number { width: 1, signed: false, little, meaning }
        }
        Base::Time { width, milliseconds } => {
            let meaning = if *milliseconds { Meaning::Milliseconds } else { Meaning::Seconds };
            Shape::Number { width: *width, signed: false, little, meaning }
        }
        Base::Float { width } => Shape::Float { width: *width, little, places: field.places },
        Base::BcdTime => Shape::BcdTime { ahead: field.utc_offset.unwrap_or(0) },
        Base::Constant => Shape::Constant,
        Base::Padding { count } => Shape::Padding { count: *count },
        Base::Check(algorithm) => Shape::Check { algorithm: *algorithm, from: field.from.unwrap_or(0), little },
        Base::Text(extent) => {
            let content = match (promised, field.charset) {
                (Some(ValueType::Json), _) => Content::Json,
                (Some(ValueType::Integer), _) => Content::Whole,
                (Some(ValueType::Number), _) => Content::Decimal,
                (_, Some(CharsetWord::Utf8)) => Content::Utf8,
                _ => Content::Latin1,
            };
            chunk(*extent, content, field, placed)
        }
        Base::Bytes(extent) => {
            let content = if promised == Some(ValueType::Text) { Content::Base64 } else { Content::Bytes };
            chunk(*extent, content, field, placed)
        }
        Base::Bcd(extent) => chunk(*extent, Content::Bcd, field, placed),
    };
    let (name, default, optional) = (field.name.clone(), placed.draft.default.clone(), field.optional);
    fields.push(Field { name, role, shape, default, optional, counts: placed.counts });
}

fn chunk(extent: Extent, content: Content, field: &FieldDoc, placed: &Placed) -> Shape {
    let length = match extent {
        Extent::Known(length) => length,
        // A register that was not found was told.
        Extent::ByField => Length::Counted { register: placed.counted.unwrap_or(0), difference: field.difference.unwrap_or(0) },
    };
    Shape::Chunk { length, content, pad: placed.draft.pad }
}

fn meaning(
    field: &FieldDoc,
    width: u8,
    signed: bool,
    promised: Option<ValueType>,
    at: &At,
    findings: &mut Findings,
) -> Option<Meaning> {
    Some(match promised {
        Some(ValueType::Boolean) => Meaning::Flag,
        Some(ValueType::Integer) => match whole(field) {
            Some((1, 0)) | None => Meaning::Integer,
            Some((factor, shift)) => Meaning::Whole { factor, shift },
        },
        Some(ValueType::Number) => Meaning::Scaled(scale(field, at, findings)?),
        Some(ValueType::Text) => Meaning::Choice(words(field, width, signed, &at.key("values"), findings)?),
        _ => Meaning::Integer,
    })
}

/// Factor and shift, if they are whole numbers and lead to whole numbers.
fn whole(field: &FieldDoc) -> Option<(i64, i64)> {
    let (factor, add) = (field.scale.unwrap_or(1.0), field.add.unwrap_or(0.0));
    let fits = |number: f64| number.trunc() == number && number.abs() < 9e15;
    let shift = add / factor;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    (factor != 0.0 && fits(factor) && fits(shift)).then_some((factor as i64, shift as i64))
}

fn scale(field: &FieldDoc, at: &At, findings: &mut Findings) -> Option<Scale> {
    let factor = field.scale.unwrap_or(1.0);
    let shift = field.add.unwrap_or(0.0) / factor;
    let whole = shift.round();
    let scale = ((shift - whole).abs() < 1e-6 && whole.abs() < 9e15).then(|| {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
        let shift = whole as i64;
        Scale::new(factor, shift)
    });
    let scale = scale.flatten();
    if scale.is_none() {
        let fix = "write the value of one unit in `scale`, such as 0.1, and a multiple of it in `add`";
        findings.error(&at.key("scale"), code::BAD_SCALE, format!("a scale of {factor} with that summand cannot be"), fix);
    }
    scale
}

fn words(field: &FieldDoc, width: u8, signed: bool, at: &At, findings: &mut Findings) -> Option<Vec<(i64, String)>> {
    let mut words: Vec<(i64, String)> = Vec::new();
    let mut good = true;
    let mut wrong = |at: &At, reason: String| {
        good = false;
        findings.error(at, code::BAD_WORDS, reason, "write `{\"0\": \"off\", \"1\": \"on\"}`, each word once");
    };
    for (key, value) in field.values.iter().flatten() {
        let spot = at.key(key);
        let digits = key.strip_prefix("0x").or_else(|| key.strip_prefix("0X"));
        let number = digits.map_or_else(|| key.parse(), |digits| i64::from_str_radix(digits, 16));
        let (Ok(number), Some(word)) = (number, value.as_str()) else {
            wrong(&spot, format!("{} is no number", quote(key)));
            continue;
        };
        let bits = u32::from(width) * 8;
        let (least, most) = match (signed, bits) {
            (true, 64) => (i64::MIN, i64::MAX),
            (true, bits) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
            (false, 64) => (0, i64::MAX),
            (false, bits) => (0, (1 << bits) - 1),
        };
        if !(least..=most).contains(&number) {
            wrong(&spot, format!("{number} does not fit {}", field.word));
        } else if words.iter().any(|(known, text)| *known == number || text == word) {
            wrong(&spot, format!("{number} or {} stands twice", quote(word)));
        } else {
            words.push((number, word.to_owned()));
        }
    }
    good.then_some(words)
}
