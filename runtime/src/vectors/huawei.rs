//! The messages of the vendor's codecs (REFERENCE B.2 to B.4): what a codec says, told as `deviceReq` and `deviceRsp`, and `cloudReq` and
//! `cloudRsp` understood, so that a team can hold a new codec against its old logs. Numbers that logs print as texts are understood
//! as numbers; what is told has numbers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::{Ask, CommandAsk};

/// The vendor's messages for those of ours ([`super::report_json`], [`super::response_json`]): reports of one payload are one
/// `deviceReq`, each response is a `deviceRsp`.
#[must_use]
pub fn told(messages: &[Value]) -> Vec<Value> {
    let mut told = Vec::new();
    let reports: Vec<&Value> = messages.iter().filter_map(|message| message.get("report")).collect();
    if !reports.is_empty() {
        let data: Vec<Value> = reports.iter().map(|report| entry(report)).collect();
        let more = reports.iter().any(|report| report.get("hasMore") == Some(&Value::Bool(true)));
        told.push(json!({ "msgType": "deviceReq", "hasMore": u8::from(more), "data": data }));
    }
    for response in messages.iter().filter_map(|message| message.get("response")) {
        let of = |key: &str| response.get(key).cloned().unwrap_or(Value::Null);
        told.push(json!({ "msgType": "deviceRsp", "mid": of("mid"), "errcode": of("errcode"), "body": of("values") }));
    }
    told
}

fn entry(report: &Value) -> Value {
    let of = |key: &str| report.get(key).cloned().unwrap_or(Value::Null);
    let mut entry = Map::new();
    entry.insert("serviceId".to_owned(), of("service"));
    entry.insert("serviceData".to_owned(), of("values"));
    if let Some(time) = report.get("eventTime").and_then(Value::as_str) {
        entry.insert("eventTime".to_owned(), compact(time).into());
    }
    Value::Object(entry)
}

/// `2016-05-03T12:15:40.000Z` as `20160503T121540Z`.
fn compact(time: &str) -> String {
    let seconds = time.split_once('.').map_or_else(|| time.trim_end_matches('Z'), |(seconds, _)| seconds);
    seconds.chars().filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
}

/// What a `cloudReq` or `cloudRsp` asks of a codec.
///
/// # Errors
/// Everything that is wrong with it.
pub fn asked(message: &Value) -> Result<Ask, Vec<String>> {
    match message.get("msgType").and_then(Value::as_str) {
        Some("cloudReq") => command(message),
        Some("cloudRsp") => answer(message),
        Some(other) => Err(vec![format!("`{other}` goes to no codec's encode: msgType is cloudReq or cloudRsp")]),
        None => Err(vec!["there is no msgType; it is cloudReq or cloudRsp".to_owned()]),
    }
}

fn command(message: &Value) -> Result<Ask, Vec<String>> {
    let mut wrong = Vec::new();
    let mut text = |key: &str| {
        let found = message.get(key).and_then(Value::as_str).map(str::to_owned);
        if found.is_none() {
            wrong.push(format!("`{key}` is missing or no text"));
        }
        found.unwrap_or_default()
    };
    let (service, name) = (text("serviceId"), text("cmd"));
    let params = match message.get("paras") {
        Some(Value::Object(params)) => params.clone(),
        None | Some(Value::Null) => Map::new(),
        Some(_) => {
            wrong.push("`paras` is no object".to_owned());
            Map::new()
        }
    };
    let mid = number(message, "mid", 1, &mut wrong);
    let mid = u16::try_from(mid).ok().filter(|mid| *mid > 0).unwrap_or_else(|| {
        wrong.push(format!("`mid` is {mid}; it is 1 to 65535"));
        1
    });
    let has_more = number(message, "hasMore", 0, &mut wrong) != 0;
    if wrong.is_empty() { Ok(Ask::Command(CommandAsk { service, name, mid, has_more, params })) } else { Err(wrong) }
}

fn answer(message: &Value) -> Result<Ask, Vec<String>> {
    let mut wrong = Vec::new();
    let uplink = message.get("request").and_then(bytes).unwrap_or_else(|| {
        wrong.push("`request` is missing, or neither a list of bytes nor a text in base64 or hex".to_owned());
        Vec::new()
    });
    let errcode = number(message, "errcode", 0, &mut wrong);
    let errcode = u8::try_from(errcode).unwrap_or_else(|_| {
        wrong.push(format!("`errcode` is {errcode}; it is 0 to 255"));
        0
    });
    let has_more = number(message, "hasMore", 0, &mut wrong) != 0;
    if wrong.is_empty() { Ok(Ask::Ack { uplink, errcode, has_more }) } else { Err(wrong) }
}

/// The three ways in which the vendor writes bytes: a list of numbers (guide), hex (desktop tool), base64 (server). A text that could
/// be both is hex.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Array(list) => list.iter().map(byte).collect(),
        Value::String(text) => hex::decode(text).ok().or_else(|| BASE64.decode(text).ok()),
        _ => None,
    }
}

/// Java's bytes are signed.
fn byte(value: &Value) -> Option<u8> {
    let number = value.as_i64()?;
    u8::try_from(number).ok().or_else(|| i8::try_from(number).ok().map(i8::cast_unsigned))
}

fn number(message: &Value, key: &str, otherwise: i64, wrong: &mut Vec<String>) -> i64 {
    let found = match message.get(key) {
        None | Some(Value::Null) => return otherwise,
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    found.unwrap_or_else(|| {
        wrong.push(format!("`{key}` is no whole number"));
        otherwise
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide's sample of a water meter (`support.huaweicloud.com/intl/en-us/devg-IoT/iot_02_4034.html`), with the types of its profile.
    #[test]
    fn reports_of_one_payload_are_one_device_req() {
        let report = |service: &str, values: Value| json!({ "report": { "service": service, "eventTime": "2016-05-03T12:15:40.000Z", "values": values } });
        let meter = json!({ "currentReading": "46.3", "signalStrength": 16, "dailyActivityTime": 5706 });
        let messages = [report("Meter", meter.clone()), report("Battery", json!({ "batteryLevel": 10 }))];
        let expected = json!({
            "msgType": "deviceReq", "hasMore": 0,
            "data": [
                { "serviceId": "Meter", "serviceData": meter, "eventTime": "20160503T121540Z" },
                { "serviceId": "Battery", "serviceData": { "batteryLevel": 10 }, "eventTime": "20160503T121540Z" }
            ]
        });
        assert_eq!(told(&messages), [expected]);
        let response = json!({ "response": { "mid": 7, "errcode": 0, "command": "SET", "values": { "result": 1 } } });
        assert_eq!(told(&[response]), [json!({ "msgType": "deviceRsp", "mid": 7, "errcode": 0, "body": { "result": 1 } })]);
    }

    /// `iot_02_4030.html`, and the same as the vendor's log prints it (FAQ 4.1.3.6).
    #[test]
    fn a_cloud_req_is_understood_with_numbers_and_with_texts() {
        let asks = |mid: Value, more: Value| {
            let message = json!({
                "identifier": "123", "msgType": "cloudReq", "serviceId": "NBWaterMeterCommon", "mid": mid,
                "cmd": "SET_TEMPERATURE_READ_PERIOD", "paras": { "value": 4 }, "hasMore": more
            });
            asked(&message)
        };
        let Ok(Ask::Command(command)) = asks(json!(2016), json!(0)) else { panic!() };
        assert_eq!((command.mid, command.has_more, command.params["value"].clone()), (2016, false, json!(4)));
        assert_eq!(asks(json!("2016"), json!("0")), asks(json!(2016), json!(0)));
        assert_eq!(asks(json!(0), json!([])).unwrap_err().len(), 2);
    }

    #[test]
    fn a_request_is_a_list_base64_or_hex() {
        let ack = |request: Value| asked(&json!({ "msgType": "cloudRsp", "request": request, "errcode": 0, "hasMore": 0 }));
        let expected = Ok(Ask::Ack { uplink: vec![1, 0xff], errcode: 0, has_more: false });
        assert_eq!(ack(json!([1, 255])), expected);
        assert_eq!(ack(json!([1, -1])), expected);
        assert_eq!(ack(json!("01FF")), expected);
        assert_eq!(ack(json!("Af8=")), expected);
        assert_eq!(ack(json!({})).unwrap_err().len(), 1);
        assert_eq!(asked(&json!({ "msgType": "deviceReq" })).unwrap_err().len(), 1);
        assert_eq!(asked(&json!({ "msgType": "cloudReq", "paras": 5, "mid": "x" })).unwrap_err().len(), 4);
    }
}
