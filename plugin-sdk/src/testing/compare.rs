//! Where two JSON values differ, one line a place.

use serde_json::Value;

/// `at /0/report/values/flow: expected -12, got 12`, for every place; empty when they mean the same.
pub(super) fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    walk(String::new(), Some(expected), Some(got), &mut lines);
    lines
}

fn walk(place: String, expected: Option<&Value>, got: Option<&Value>, lines: &mut Vec<String>) {
    match (expected, got) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let missing = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(missing) {
                walk(format!("{place}/{key}"), a.get(key), b.get(key), lines);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                walk(format!("{place}/{at}"), a.get(at), b.get(at), lines);
            }
        }
        (Some(a), Some(b)) if same(a, b) => {}
        (None, None) => {}
        (a, b) => {
            let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            let place = if place.is_empty() { "/" } else { &place };
            lines.push(format!("at {place}: expected {}, got {}", show(a), show(b)));
        }
    }
}

/// 12 and 12.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.is_f64() || y.is_f64()) && x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}
