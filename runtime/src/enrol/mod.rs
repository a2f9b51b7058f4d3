//! A list of devices as a table (CSV, RFC 4180) or as a JSON array becomes one JSON object a device, each with the line that it came
//! from; whether a device can be let in is decided where that is decided for one.
//!
//! Pure: bytes in, rows out. A table that cannot be understood as a whole is refused as a whole; a bad row spoils only itself.

use serde_json::{Map, Value};

/// Columns of a table; `attributes.NAME` stands beside them, once for each attribute.
pub const COLUMNS: [&str; 7] = ["endpoint", "productId", "manufacturerId", "model", "name", "powerMode", "registrationTimeout"];
/// Prefix of the columns of attributes.
const ATTRIBUTE: &str = "attributes.";
/// Columns whose values are numbers.
const NUMBERS: [&str; 2] = ["productId", "registrationTimeout"];

/// One device as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    /// What was written, in the members of a request for one device; or why the row cannot be read.
    pub written: Result<Map<String, Value>, String>,
}

/// Why a list cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Unreadable {
    /// Line, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub fix: String,
}

/// Reads a table with a header row. Empty values count as not given.
///
/// # Errors
/// [`Unreadable`] when the header is missing or names a column that nobody knows.
pub fn from_csv(table: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let unreadable = |why: String, fix: &str| Unreadable { line: 1, why, fix: fix.to_owned() };
    // Spreadsheets put a mark before the first byte.
    let table = table.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(table);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(table);
    let header = reader.headers().map_err(|error| unreadable(error.to_string(), "save it as CSV in UTF-8"))?.clone();
    if !header.iter().any(|column| column == "endpoint") {
        let fix = format!("begin with a line such as endpoint,productId,name; columns: {}, attributes.NAME", COLUMNS.join(", "));
        return Err(unreadable("the first line has no column `endpoint`".to_owned(), &fix));
    }
    for (position, column) in header.iter().enumerate() {
        let attribute = column.strip_prefix(ATTRIBUTE).is_some_and(|name| !name.is_empty());
        if !attribute && !COLUMNS.contains(&column) {
            let fix = format!("remove it, or name one of {}, attributes.NAME", COLUMNS.join(", "));
            return Err(unreadable(format!("nobody knows the column `{column}`"), &fix));
        }
        if header.iter().take(position).any(|other| other == column) {
            return Err(unreadable(format!("the column `{column}` stands there twice"), "remove one"));
        }
    }
    let mut rows = Vec::new();
    let (mut seen, mut line) = (0, 1);
    // A record is said to begin where the one before ended, which may be amid a line break or before empty lines.
    let mut line_at = |position: Option<&csv::Position>| {
        let from = position.and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(seen);
        let breaks = table.get(from..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = (from + breaks).max(seen);
        line += table.get(seen..begin).unwrap_or_default().iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        seen = begin;
        line
    };
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = line_at(record.position());
                let written = if record.len() > header.len() {
                    Err(format!("{} values stand under {} columns", record.len(), header.len()))
                } else {
                    object(&header, &record)
                };
                rows.push(Row { line, written });
            }
            Err(error) => {
                let line = line_at(error.position());
                rows.push(Row { line, written: Err(error.to_string()) });
            }
        }
    }
    Ok(rows)
}

fn object(header: &csv::StringRecord, record: &csv::StringRecord) -> Result<Map<String, Value>, String> {
    let (mut members, mut attributes) = (Map::new(), Map::new());
    for (column, value) in header.iter().zip(record).filter(|(_, value)| !value.is_empty()) {
        if let Some(name) = column.strip_prefix(ATTRIBUTE) {
            attributes.insert(name.to_owned(), value.into());
        } else if NUMBERS.contains(&column) {
            let number: u64 = value.parse().map_err(|_| format!("{column} is no number: `{value}`"))?;
            members.insert(column.to_owned(), number.into());
        } else {
            members.insert(column.to_owned(), value.into());
        }
    }
    if !attributes.is_empty() {
        members.insert("attributes".to_owned(), attributes.into());
    }
    Ok(members)
}

/// Reads an array of objects; the "line" of one is its place in the array, from 1.
///
/// # Errors
/// [`Unreadable`] when it is no JSON array.
pub fn from_json(text: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let array: Vec<Value> = serde_json::from_slice(text).map_err(|error| Unreadable {
        line: u64::try_from(error.line()).unwrap_or(u64::MAX),
        why: error.to_string(),
        fix: "send [{\"endpoint\": \"...\", \"productId\": 1}, ...]".to_owned(),
    })?;
    let rows = (1..).zip(array).map(|(line, value)| match value {
        Value::Object(members) => Row { line, written: Ok(members) },
        other => Row { line, written: Err(format!("a device is an object, not {other}")) },
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(rows: Vec<Row>) -> Vec<(u64, Value)> {
        rows.into_iter().map(|row| (row.line, row.written.map_or_else(Value::from, Value::from))).collect()
    }

    #[test]
    fn a_table_becomes_one_object_a_line() {
        let table = "\u{feff}endpoint, productId,name,attributes.site\r\nm-1,1,\"a, b\",north\n\nm-2,x,,\nm-3,2,,,more\nm-4\n";
        assert_eq!(
            shown(from_csv(table.as_bytes()).unwrap()),
            [
                (2, json!({ "endpoint": "m-1", "productId": 1, "name": "a, b", "attributes": { "site": "north" } })),
                (4, json!("productId is no number: `x`")),
                (5, json!("5 values stand under 4 columns")),
                (6, json!({ "endpoint": "m-4" })),
            ]
        );
    }

    #[test]
    fn a_table_that_nobody_understands_is_refused_as_a_whole() {
        for (table, why) in [
            ("", "no column `endpoint`"),
            ("867000000000001,1\n", "no column `endpoint`"),
            ("endpoint,imei\n", "`imei`"),
            ("endpoint,endpoint\n", "twice"),
            ("endpoint,attributes.\n", "`attributes.`"),
        ] {
            let refusal = from_csv(table.as_bytes()).unwrap_err();
            assert!(refusal.to_string().contains(why) && !refusal.fix.is_empty(), "{refusal}");
        }
        assert_eq!(from_json(b"[\n{]").unwrap_err().line, 2);
    }

    #[test]
    fn an_array_becomes_one_object_a_place() {
        let rows = shown(from_json(br#"[{"endpoint":"m-1"},7]"#).unwrap());
        assert_eq!(rows, [(1, json!({ "endpoint": "m-1" })), (2, json!("a device is an object, not 7"))]);
    }
}
