//! Where two decodes of the same bytes differ. Pure: JSON values in, paths out.

use serde_json::Value;

/// Most differences that are listed of one pair.
pub const MOST: usize = 32;
/// Most bytes of a value that is shown.
const SHOWN: usize = 200;

/// A place where two JSON values differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// JSON pointer (RFC 6901): `/reports/0/values/reading`.
    pub path: String,
    /// What stands there in the first; none = nothing.
    pub from: Option<Value>,
    /// What stands there in the second; none = nothing.
    pub to: Option<Value>,
}

/// The innermost places where two values differ, in order, at most [`MOST`]. Empty exactly if they are equal. Numbers are
/// equal if they are the same number: `1` is `1.0`.
#[must_use]
pub fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(Some(from), Some(to), &mut String::new(), &mut found);
    found
}

fn walk(from: Option<&Value>, to: Option<&Value>, path: &mut String, found: &mut Vec<Difference>) {
    if found.len() >= MOST {
        return;
    }
    match (from, to) {
        (Some(Value::Object(from)), Some(Value::Object(to))) => {
            let added = to.keys().filter(|name| !from.contains_key(*name));
            for name in from.keys().chain(added) {
                let step = name.replace('~', "~0").replace('/', "~1");
                descend(&step, from.get(name), to.get(name), path, found);
            }
        }
        (Some(Value::Array(from)), Some(Value::Array(to))) => {
            for index in 0..from.len().max(to.len()) {
                descend(&index.to_string(), from.get(index), to.get(index), path, found);
            }
        }
        (Some(from), Some(to)) if same(from, to) => {}
        (from, to) => found.push(Difference { path: path.clone(), from: from.map(shown), to: to.map(shown) }),
    }
}

fn descend(step: &str, from: Option<&Value>, to: Option<&Value>, path: &mut String, found: &mut Vec<Difference>) {
    let length = path.len();
    path.push('/');
    path.push_str(step);
    walk(from, to, path, found);
    path.truncate(length);
}

fn same(from: &Value, to: &Value) -> bool {
    match (from, to) {
        (Value::Number(from), Value::Number(to)) => {
            from == to || (from.as_f64() == to.as_f64() && (from.is_f64() || to.is_f64()))
        }
        _ => from == to,
    }
}

/// The value, or its beginning as a text where it is long.
fn shown(value: &Value) -> Value {
    let text = value.to_string();
    match (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).and_then(|end| text.get(..end)) {
        Some(begin) if text.len() > SHOWN => Value::String(format!("{begin}...")),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_a_table() {
        for (from, to, expected) in [
            (json!({}), json!({}), vec![]),
            (json!({"a": 1}), json!({"a": 1.0}), vec![]),
            (json!({"a": 1}), json!({"a": 2}), vec![("/a", json!(1), json!(2))]),
            (json!({"a": "12"}), json!({"a": 12}), vec![("/a", json!("12"), json!(12))]),
            (json!({"a": null}), json!({}), vec![("/a", json!(null), json!("-"))]),
            (json!({"a/b": {"c~": 1}}), json!({"a/b": {"c~": 2}}), vec![("/a~1b/c~0", json!(1), json!(2))]),
            (json!({"r": [1, 2]}), json!({"r": [1]}), vec![("/r/1", json!(2), json!("-"))]),
            (json!([{"x": 1}, 5]), json!([{"x": 2}, 5, 6]), vec![("/0/x", json!(1), json!(2)), ("/2", json!("-"), json!(6))]),
            (json!({"a": {}}), json!({"a": []}), vec![("/a", json!({}), json!([]))]),
        ] {
            let found: Vec<(String, Value, Value)> = differences(&from, &to)
                .into_iter()
                .map(|d| (d.path, d.from.unwrap_or(json!("-")), d.to.unwrap_or(json!("-"))))
                .collect();
            let expected: Vec<_> = expected.into_iter().map(|(path, from, to)| (path.to_owned(), from, to)).collect();
            assert_eq!(found, expected, "{from} against {to}");
        }
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let long: Vec<u32> = (0..10_000).collect();
        let found = differences(&json!(long), &json!([]));
        assert_eq!(found.len(), MOST);
        let found = differences(&json!("é".repeat(5_000)), &json!(1));
        assert!(found[0].from.as_ref().unwrap().as_str().unwrap().len() < 210);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4_i64).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-c/~]{1,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect()))
            ]
        })
    }

    proptest! {
        /// Empty exactly if equal, the same places in both directions, and each path leads to what is said to stand there.
        #[test]
        fn laws(a in value(), b in value()) {
            prop_assert!(differences(&a, &a).is_empty());
            let (there, back) = (differences(&a, &b), differences(&b, &a));
            prop_assert_eq!(there.is_empty(), a == b);
            prop_assert_eq!(there.len(), back.len());
            for difference in &there {
                prop_assert!(back.iter().any(|other| other.path == difference.path && other.from == difference.to));
                prop_assert_eq!(a.pointer(&difference.path).map(shown), difference.from.clone());
                prop_assert_eq!(b.pointer(&difference.path).map(shown), difference.to.clone());
            }
        }
    }
}
