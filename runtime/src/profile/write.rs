//! Reports and responses as JSON text: checked against the plan and appended to a String, value by value.
//!
//! This runs once for every uplink, so it builds no intermediate value and allocates only for what is wrong.
//! A violation marks a value, it never drops one, with one exception: of two values for one field only the first can be
//! shown. Codes: `missing` (required, not there), `null` (required, without value), `duplicate`, `min`, `max`, `step`,
//! `length`, `enum`, `format` (no time, no object), `schema`, `not-finite` (NaN or infinite, shown as null).

use crate::model::{Field, Report, Response, Value, ValueType};

use super::check::{Check, LAST_MS, violation, word};
use super::document::FieldType;
use super::json_text::{MAX_DEPTH, is_shallow, push_bytes, push_number, push_text, push_time};
use super::plan::{Plan, Table};

impl Plan {
    /// Appends one report as compact JSON:
    /// `{"service":"Meter","eventTime":"2024-01-31T12:00:00.000Z","values":{"reading":12.5},"violations":[{"property":"..","code":"..","detail":".."}]}`
    /// (`violations` only when there are some). An event time after the year 9999 is replaced by the time of arrival.
    /// Returns the number of violations.
    ///
    /// # Errors
    /// Why the report contradicts the plan (index out of range, wrong type, invalid JSON value); `out` is as it was then.
    pub fn write_report(&self, report: &Report, received_ms: u64, out: &mut String) -> Result<usize, String> {
        let service = self.services.get(usize::from(report.service)).ok_or_else(|| {
            format!("the codec reported service number {}, its table has {}", report.service, self.services.len())
        })?;
        let start = out.len();
        let mut marks = Marks::default();
        out.push_str(&service.head);
        let event_ms = report.event_time.filter(|ms| *ms <= LAST_MS);
        if let (Some(ms), None) = (report.event_time, event_ms) {
            marks.add(
                "\"eventTime\":",
                violation::FORMAT,
                &format!("{ms} ms is after the year 9999; the time of arrival is shown"),
            );
        }
        push_time(out, event_ms.unwrap_or(received_ms));
        out.push_str(",\"values\":");
        if let Err(contradiction) = write_fields(&service.properties, &report.fields, Demand::Required, out, &mut marks) {
            out.truncate(start);
            return Err(contradiction);
        }
        if marks.count > 0 {
            out.push_str(",\"violations\":[");
            out.push_str(&marks.text);
            out.push(']');
        }
        out.push('}');
        Ok(marks.count)
    }

    /// Appends the response's fields as a compact JSON object by name; `command` = the plan's index of the command it answers.
    /// Returns the number of violations. A device that answers with an error may leave required fields out.
    ///
    /// # Errors
    /// As [`Plan::write_report`].
    pub fn write_response(&self, command: u16, response: &Response, out: &mut String) -> Result<usize, String> {
        let plan = self
            .commands
            .get(usize::from(command))
            .ok_or_else(|| format!("the codec answered command number {command}, its table has {}", self.commands.len()))?;
        let start = out.len();
        let demand = if response.errcode == 0 { Demand::Required } else { Demand::Nothing };
        let mut marks = Marks::default();
        if let Err(contradiction) = write_fields(&plan.response, &response.fields, demand, out, &mut marks) {
            out.truncate(start);
            return Err(contradiction);
        }
        Ok(marks.count)
    }
}

/// Whether required fields are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    Required,
    Nothing,
}

/// The violations of one message, as JSON text.
#[derive(Default)]
struct Marks {
    text: String,
    count: usize,
}

impl Marks {
    /// `key` is a check's `"name":`.
    fn add(&mut self, key: &str, code: &'static str, detail: &str) {
        if self.count > 0 {
            self.text.push(',');
        }
        self.count += 1;
        self.text.push_str("{\"property\":");
        self.text.push_str(key.strip_suffix(':').unwrap_or(key));
        self.text.push_str(",\"code\":\"");
        self.text.push_str(code);
        self.text.push_str("\",\"detail\":");
        push_text(&mut self.text, detail);
        self.text.push('}');
    }
}

/// Which fields of a table came. The first 128 cost no allocation.
#[derive(Default)]
struct Seen {
    low: u128,
    high: Vec<u16>,
}

impl Seen {
    /// False if it was there before.
    fn insert(&mut self, index: u16) -> bool {
        if self.contains(usize::from(index)) {
            return false;
        }
        match 1_u128.checked_shl(u32::from(index)) {
            Some(bit) => self.low |= bit,
            None => self.high.push(index),
        }
        true
    }

    fn contains(&self, index: usize) -> bool {
        match u32::try_from(index).ok().and_then(|shift| 1_u128.checked_shl(shift)) {
            Some(bit) => self.low & bit != 0,
            None => self.high.iter().any(|seen| usize::from(*seen) == index),
        }
    }
}

fn write_fields(table: &Table, fields: &[Field], demand: Demand, out: &mut String, marks: &mut Marks) -> Result<(), String> {
    let mut seen = Seen::default();
    out.push('{');
    for field in fields {
        let check = table
            .checks
            .get(usize::from(field.index))
            .ok_or_else(|| format!("the codec gave field number {}, its table has {}", field.index, table.checks.len()))?;
        if !seen.insert(field.index) {
            marks.add(&check.key, violation::DUPLICATE, "given more than once in one message; the first value is shown");
            continue;
        }
        if !out.ends_with('{') {
            out.push(',');
        }
        out.push_str(&check.key);
        write_value(check, &field.value, out, marks)?;
    }
    out.push('}');
    if demand == Demand::Required {
        for index in table.required.iter().filter(|index| !seen.contains(**index)) {
            if let Some(check) = table.checks.get(*index) {
                marks.add(&check.key, violation::MISSING, "required and not in the message");
            }
        }
    }
    Ok(())
}

fn write_value(check: &Check, value: &Value, out: &mut String, marks: &mut Marks) -> Result<(), String> {
    match (check.promised, value) {
        (_, Value::Null) => out.push_str("null"),
        (ValueType::Integer, Value::Integer(number)) => push_number(out, number),
        (ValueType::Number, Value::Number(number)) => push_number(out, number),
        (ValueType::Boolean, Value::Boolean(flag)) => out.push_str(match (check.field_type, flag) {
            (FieldType::Int, false) => "0",
            (FieldType::Int, true) => "1",
            (_, false) => "false",
            (_, true) => "true",
        }),
        (ValueType::Text, Value::Text(text)) => push_text(out, text),
        (ValueType::Bytes, Value::Bytes(bytes)) => push_bytes(out, bytes),
        (ValueType::Timestamp, Value::Timestamp(ms)) => push_time(out, *ms),
        (ValueType::Json, Value::Json(text)) => return write_json(check, text, out, marks),
        (promised, given) => {
            let (promised, given) = (word(promised), type_of(given));
            return Err(format!("the codec promised `{}` as {promised} and gave {given}", check.name));
        }
    }
    check.inspect(value, &mut |code, detail| marks.add(&check.key, code, &detail));
    Ok(())
}

/// Structured values are rare, so they may cost a parse: it makes them compact and proves that they are JSON.
fn write_json(check: &Check, text: &str, out: &mut String, marks: &mut Marks) -> Result<(), String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("the codec gave `{}` as JSON, and it is not: {error}", check.name))?;
    if !is_shallow(&value) {
        return Err(format!("the codec gave `{}` nested deeper than {MAX_DEPTH} levels", check.name));
    }
    let compact = value.to_string();
    out.push_str(&compact);
    check.inspect_json(&value, &compact, &mut |code, detail| marks.add(&check.key, code, &detail));
    Ok(())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) => "integer",
        Value::Number(_) => "number",
        Value::Text(_) => "text",
        Value::Bytes(_) => "bytes",
        Value::Timestamp(_) => "timestamp",
        Value::Json(_) => "json",
    }
}
