//! A table as CSV: a line of column names, then one line for each parameter, the service repeated on each. A service without
//! parameters has one line with the columns of a parameter empty.

use serde_json::Number;

use super::words::{Kind, Word};
use super::{At, Findings, Param, Service, Table, code};
use crate::profile::mistake::quote;

/// Our names, and the platform console's.
const COLUMNS: [(&str, &[&str]); 13] = [
    ("serviceId", &["datasetid", "服务id"]),
    ("service", &["serviceidentifier", "服务标识"]),
    ("serviceName", &["服务名称"]),
    ("kind", &["servicetype", "服务类型"]),
    ("command", &["响应指令"]),
    ("parameter", &["identifier", "参数标识", "标识符"]),
    ("parameterName", &["参数名称"]),
    ("type", &["datatype", "数据类型"]),
    ("length", &["长度", "字节长度"]),
    ("min", &["最小值"]),
    ("max", &["最大值"]),
    ("step", &["步长"]),
    ("unit", &["单位"]),
];

/// Without these a line says nothing.
const REQUIRED: [&str; 5] = ["serviceId", "service", "kind", "parameter", "type"];

/// Most lines of a table.
const MAX_LINES: usize = 20_000;

/// One line, by the names of columns.
struct Line<'a> {
    at: At,
    columns: &'a [Option<&'static str>],
    cells: csv::StringRecord,
}

impl Line<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| *name == Some(column))?;
        self.cells.get(at).map(str::trim).filter(|text| !text.is_empty())
    }

    fn text(&self, column: &str) -> Option<String> {
        self.cell(column).map(str::to_owned)
    }

    fn number(&self, column: &str, findings: &mut Findings) -> Option<Number> {
        let text = self.cell(column)?;
        let number = serde_json::from_str(text).ok();
        if number.is_none() {
            findings.error(&self.at.key(column), code::BAD_LIMIT, format!("{} is no number", quote(text)), "write 12 or 0.5");
        }
        number
    }
}

pub(super) fn read(at: &At, bytes: &[u8], findings: &mut Findings) -> Option<Table> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut records = reader.records().enumerate();
    let Some((_, Ok(head))) = records.next() else {
        let fix = "begin with a line of column names: serviceId,service,kind,parameter,type,length";
        findings.error(at, code::TABLE_FORM, "neither JSON nor a CSV table in UTF-8", fix);
        return None;
    };
    let columns = columns(at, &head, findings)?;
    let mut table = Table::default();
    for (index, record) in records {
        // Lines are counted from 1, as editors do; the pointer names the line.
        let at = at.item(index + 1);
        if index > MAX_LINES {
            findings.error(&at, code::TOO_BIG, format!("more than {MAX_LINES} lines"), "split the product");
            return None;
        }
        match record {
            Ok(cells) if cells.iter().all(|cell| cell.trim().is_empty()) => {}
            Ok(cells) => add(&Line { at, columns: &columns, cells }, &mut table, findings),
            Err(error) => findings.error(
                &at,
                code::TABLE_FORM,
                format!("the line cannot be read: {error}"),
                "save the table as CSV in UTF-8",
            ),
        }
    }
    Some(table)
}

fn columns(at: &At, head: &csv::StringRecord, findings: &mut Findings) -> Option<Vec<Option<&'static str>>> {
    let named = |cell: &str| {
        let plain = cell.trim().to_lowercase();
        COLUMNS
            .iter()
            .find(|(name, others)| name.to_lowercase() == plain || others.contains(&plain.as_str()))
            .map(|(name, _)| *name)
    };
    let columns: Vec<Option<&'static str>> = head.iter().map(named).collect();
    let known = || COLUMNS.map(|(name, _)| name).join(", ");
    for (cell, _) in head.iter().zip(&columns).filter(|(cell, column)| column.is_none() && !cell.trim().is_empty()) {
        let reason = format!("the column {} is not known and not read", quote(cell));
        findings.warning(&at.item(1), code::UNKNOWN_VENDOR_KEY, reason, format!("known are {}", known()));
    }
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !columns.contains(&Some(*name))).collect();
    if missing.is_empty() {
        return Some(columns);
    }
    let reason = format!("the first line names no column {}", missing.join(", "));
    findings.error(&at.item(1), code::TABLE_FORM, reason, format!("name columns in the first line: {}", known()));
    None
}

fn add(line: &Line<'_>, table: &mut Table, findings: &mut Findings) {
    let (Some(id), Some(kind)) = (service_id(line, findings), kind(line, findings)) else { return };
    let Some(identifier) = line.text("service") else {
        findings.error(
            &line.at.key("service"),
            code::MISSING_KEY,
            "the service has no identifier",
            "name it as the device's document does",
        );
        return;
    };
    let param = param(line, findings);
    let known = table.services.iter_mut().find(|service| service.id == id && service.kind == kind);
    match known {
        Some(service) if service.identifier == identifier => service.params.extend(param),
        Some(service) => {
            let reason = format!(
                "the {} {id} is called {} here and {} above",
                kind.as_str(),
                quote(&identifier),
                quote(&service.identifier)
            );
            findings.error(&line.at, code::SERVICE_CONTRADICTS, reason, "give each service one id and one identifier");
        }
        None => table.services.push(Service {
            at: line.at.clone(),
            id,
            identifier,
            name: line.text("serviceName"),
            kind,
            command: line.text("command"),
            params: param.into_iter().collect(),
        }),
    }
}

fn service_id(line: &Line<'_>, findings: &mut Findings) -> Option<u16> {
    let text = line.cell("serviceId").unwrap_or_default();
    let id = text.parse().ok();
    if id.is_none() {
        let reason = format!("{} is no service id", quote(text));
        findings.error(&line.at.key("serviceId"), code::BAD_SERVICE_ID, reason, "service ids are whole numbers from 0 to 65535");
    }
    id
}

fn kind(line: &Line<'_>, findings: &mut Findings) -> Option<Kind> {
    let text = line.cell("kind").unwrap_or_default();
    let kind = Kind::named(text);
    if kind.is_none() {
        let reason = format!("{} is no kind of service", quote(text));
        findings.error(&line.at.key("kind"), code::UNKNOWN_KIND, reason, format!("kinds are {}", Kind::all()));
    }
    kind
}

fn param(line: &Line<'_>, findings: &mut Findings) -> Option<Param> {
    let identifier = line.text("parameter")?;
    let text = line.cell("type").unwrap_or_default();
    let word = Word::named(text);
    if word.is_none() {
        let reason = format!("{} is no type", quote(text));
        findings.error(&line.at.key("type"), code::UNKNOWN_TYPE, reason, format!("types are {}", Word::all()));
    }
    let length = match line.cell("length") {
        None => None,
        Some(text) if ["变长", "variable"].contains(&text.to_lowercase().as_str()) => None,
        Some(text) => {
            let length = text.parse().ok();
            if length.is_none() {
                let reason = format!("{} is no length", quote(text));
                findings.error(
                    &line.at.key("length"),
                    code::PARAMETER_LENGTH,
                    reason,
                    "bytes, or nothing where values bring their length",
                );
            }
            length
        }
    };
    let (min, max) = (line.number("min", findings), line.number("max", findings));
    let step = line.number("step", findings);
    Some(Param {
        at: line.at.clone(),
        identifier,
        name: line.text("parameterName"),
        word: word?,
        length,
        min,
        max,
        step,
        unit: line.text("unit"),
    })
}
