//! One field's limits, compiled: what a value is held against without a look-up by name.
//!
//! A check tells what is wrong; whether that marks a report's value or refuses a command is the caller's business.

use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Number, Value as Json};

use crate::model::{Timestamp, Value, ValueType};

use super::document::{FieldSpec, FieldType};
use super::json_text::push_text;
use super::structure::value_validator;

/// 9999-12-31T23:59:59.999Z: RFC 3339 has no later year.
pub(super) const LAST_MS: u64 = 253_402_300_799_999;

/// A field of a profile with its limits, and the type in which it crosses the codec border.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) name: String,
    /// `"name":`, escaped: what goes in front of the value.
    pub(super) key: String,
    pub(super) field_type: FieldType,
    /// What the codec promised.
    pub(super) promised: ValueType,
    pub(super) required: bool,
    least: Option<Bound>,
    most: Option<Bound>,
    step: Option<f64>,
    max_length: Option<usize>,
    allowed: Option<Vec<String>>,
    schema: Option<Arc<Validator>>,
}

/// A limit in both number worlds: a 64-bit integer does not fit into an f64.
#[derive(Debug, Clone)]
struct Bound {
    integer: i64,
    number: f64,
}

/// Stable words of what a value can violate.
pub(super) mod violation {
    pub(in crate::profile) const MISSING: &str = "missing";
    pub(in crate::profile) const DUPLICATE: &str = "duplicate";
    pub(in crate::profile) const NULL: &str = "null";
    pub(in crate::profile) const NOT_FINITE: &str = "not-finite";
    pub(in crate::profile) const MIN: &str = "min";
    pub(in crate::profile) const MAX: &str = "max";
    pub(in crate::profile) const STEP: &str = "step";
    pub(in crate::profile) const LENGTH: &str = "length";
    pub(in crate::profile) const ENUM: &str = "enum";
    pub(in crate::profile) const FORMAT: &str = "format";
    pub(in crate::profile) const SCHEMA: &str = "schema";
}

/// Where violations go: the code and what is wrong.
pub(super) type Sink<'a> = dyn FnMut(&'static str, String) + 'a;

impl Check {
    /// Compiles a field. `None` if its `schema` is none, which `meaning` told before.
    pub(super) fn compile(spec: &FieldSpec) -> Option<Self> {
        let field_type = spec.field_type;
        let numeric = field_type.is_numeric();
        let number = |limit: &Option<Number>| limit.as_ref().and_then(Number::as_f64).filter(|_| numeric);
        let bound = |limit: &Option<Number>, round: fn(f64) -> f64| {
            let number = number(limit)?;
            let exact = limit.as_ref().and_then(Number::as_i64);
            Some(Bound { integer: exact.unwrap_or_else(|| saturate(round(number))), number })
        };
        // A whole-number step of 1 on whole numbers excludes nothing.
        let whole = matches!(field_type, FieldType::Int | FieldType::Long);
        let step = number(&spec.step).filter(|step| *step > 0.0 && !(whole && (step - 1.0).abs() < f64::EPSILON));
        let schema = spec.schema.as_ref().filter(|_| field_type == FieldType::JsonObject);
        let schema = schema.map(value_validator).transpose().ok()?.map(Arc::new);
        let mut key = String::with_capacity(spec.name.len() + 3);
        push_text(&mut key, &spec.name);
        key.push(':');
        let allowed = matches!(field_type, FieldType::Enum | FieldType::String).then(|| spec.enum_values.clone()).flatten();
        Some(Self {
            name: spec.name.clone(),
            key,
            field_type,
            promised: natural_type(field_type),
            required: spec.required,
            least: bound(&spec.min, f64::ceil),
            most: bound(&spec.max, f64::floor),
            step,
            max_length: spec.max_length.filter(|_| field_type.has_length()).and_then(|most| usize::try_from(most).ok()),
            allowed: allowed.filter(|values| !values.is_empty()),
            schema,
        })
    }

    /// The same field, promised by a codec with this type. `None` if the type cannot carry it.
    pub(super) fn promised_as(&self, value_type: ValueType) -> Option<Self> {
        carries(value_type, self.field_type).then(|| Self { promised: value_type, ..self.clone() })
    }

    /// Holds a value against the limits. The value has the promised type. JSON text is examined by [`Check::inspect_json`].
    #[inline]
    pub(super) fn inspect(&self, value: &Value, sink: &mut Sink<'_>) {
        match value {
            Value::Integer(value) => self.inspect_integer(*value, sink),
            Value::Number(value) => self.inspect_number(*value, sink),
            Value::Text(text) => self.inspect_text(text, sink),
            Value::Bytes(bytes) => self.inspect_length(bytes.len(), sink),
            Value::Timestamp(ms) if *ms > LAST_MS => {
                sink(violation::FORMAT, format!("{ms} ms is after the year 9999"));
            }
            Value::Null if self.required => sink(violation::NULL, "no value".to_owned()),
            Value::Null | Value::Boolean(_) | Value::Timestamp(_) | Value::Json(_) => {}
        }
    }

    fn inspect_integer(&self, value: i64, sink: &mut Sink<'_>) {
        if self.field_type == FieldType::Decimal {
            #[expect(clippy::cast_precision_loss, reason = "limits of decimals are f64; the value itself is not changed")]
            return self.inspect_number(value as f64, sink);
        }
        if let Some(least) = &self.least
            && value < least.integer
        {
            sink(violation::MIN, format!("{value} is below {}", least.number));
        }
        if let Some(most) = &self.most
            && value > most.integer
        {
            sink(violation::MAX, format!("{value} is above {}", most.number));
        }
        if let Some(step) = self.step {
            #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the tolerance of the step is larger than the loss")]
            self.inspect_step(value as f64, step, sink);
        }
    }

    fn inspect_number(&self, value: f64, sink: &mut Sink<'_>) {
        if !value.is_finite() {
            return sink(violation::NOT_FINITE, format!("{value} has no JSON form"));
        }
        if let Some(least) = &self.least
            && value < least.number
        {
            sink(violation::MIN, format!("{value} is below {}", least.number));
        }
        if let Some(most) = &self.most
            && value > most.number
        {
            sink(violation::MAX, format!("{value} is above {}", most.number));
        }
        if let Some(step) = self.step {
            self.inspect_step(value, step, sink);
        }
    }

    /// The platforms do not say where steps are counted from, so both `min` and 0 will do. The tolerance takes an f32's noise.
    fn inspect_step(&self, value: f64, step: f64, sink: &mut Sink<'_>) {
        let fits = |from: f64| {
            let steps = (value - from) / step;
            (steps - steps.round()).abs() <= 1e-6 * steps.abs().max(1.0)
        };
        if !fits(0.0) && !self.least.as_ref().is_some_and(|least| fits(least.number)) {
            sink(violation::STEP, format!("{value} is not on a step of {step}"));
        }
    }

    fn inspect_text(&self, text: &str, sink: &mut Sink<'_>) {
        if self.max_length.is_some_and(|most| text.len() > most) {
            self.inspect_length(text.chars().count(), sink);
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|value| value == text)
        {
            let shown: Vec<&str> = allowed.iter().take(12).map(String::as_str).collect();
            sink(violation::ENUM, format!("not one of: {}", shown.join(", ")));
        }
        if self.field_type == FieldType::DateTime && Timestamp::parse(text).is_err() {
            sink(violation::FORMAT, "no time: expected 2024-01-31T12:00:00Z or 20240131T120000Z".to_owned());
        }
    }

    fn inspect_length(&self, length: usize, sink: &mut Sink<'_>) {
        if let Some(most) = self.max_length
            && length > most
        {
            sink(violation::LENGTH, format!("length {length}, at most {most}"));
        }
    }

    /// Holds a structured value against the type and the profile's schema. `text` is its compact form.
    pub(super) fn inspect_json(&self, value: &Json, text: &str, sink: &mut Sink<'_>) {
        let fits = match self.field_type {
            FieldType::StringList => value.as_array().is_some_and(|list| list.iter().all(Json::is_string)),
            _ => value.is_object() || value.is_array(),
        };
        if !fits {
            let wanted = if self.field_type == FieldType::StringList { "an array of texts" } else { "an object or an array" };
            sink(violation::FORMAT, format!("expected {wanted}"));
        }
        if self.max_length.is_some_and(|most| text.len() > most) {
            self.inspect_length(text.chars().count(), sink);
        }
        if let Some(schema) = &self.schema {
            for error in schema.iter_errors(value).take(4) {
                let place = error.instance_path().as_str();
                let detail: String = error.to_string().chars().take(200).collect();
                sink(violation::SCHEMA, if place.is_empty() { detail } else { format!("{place}: {detail}") });
            }
        }
    }
}

/// A whole f64 as an i64, cut at the ends. NaN cannot come from a JSON number.
fn saturate(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and that is what is wanted")]
    let whole = value as i64;
    whole
}

/// The type in which a value without a codec is held.
fn natural_type(field_type: FieldType) -> ValueType {
    match field_type {
        FieldType::Int | FieldType::Long => ValueType::Integer,
        FieldType::Decimal => ValueType::Number,
        FieldType::String | FieldType::DateTime | FieldType::Enum => ValueType::Text,
        FieldType::JsonObject | FieldType::StringList => ValueType::Json,
        FieldType::Boolean => ValueType::Boolean,
        FieldType::Bytes => ValueType::Bytes,
    }
}

/// Whether a codec's type can carry a profile's type without guessing.
pub(super) fn carries(promised: ValueType, field_type: FieldType) -> bool {
    use FieldType as D;
    match promised {
        ValueType::Boolean => matches!(field_type, D::Boolean | D::Int),
        ValueType::Integer => matches!(field_type, D::Int | D::Long | D::Decimal),
        ValueType::Number => field_type == D::Decimal,
        ValueType::Text => matches!(field_type, D::String | D::Enum | D::DateTime),
        ValueType::Bytes => matches!(field_type, D::Bytes | D::String),
        ValueType::Timestamp => field_type == D::DateTime,
        ValueType::Json => matches!(field_type, D::JsonObject | D::StringList),
    }
}

/// The codec types that can carry a profile's type, for messages.
pub(super) fn carriers(field_type: FieldType) -> String {
    const ALL: [ValueType; 7] = [
        ValueType::Boolean,
        ValueType::Integer,
        ValueType::Number,
        ValueType::Text,
        ValueType::Bytes,
        ValueType::Timestamp,
        ValueType::Json,
    ];
    let fitting: Vec<&str> = ALL.into_iter().filter(|one| carries(*one, field_type)).map(word).collect();
    fitting.join(" or ")
}

/// The word of a codec type, as in `wit/v1`.
pub(super) fn word(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Boolean => "boolean",
        ValueType::Integer => "integer",
        ValueType::Number => "number",
        ValueType::Text => "text",
        ValueType::Bytes => "bytes",
        ValueType::Timestamp => "timestamp",
        ValueType::Json => "json",
    }
}
