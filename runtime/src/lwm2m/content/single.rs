//! Formats of one value: text, opaque, CBOR (LwM2M Core 1.1 7.4.1 to 7.4.3).

use super::super::path::{Level, Path};
use super::{Basis, ContentError, Datum, Format, Kind, Odd, Place, Types, Value, cbor};

/// The value of `base`.
pub(super) fn decode(format: Format, base: &Path, payload: &[u8], types: Types<'_>) -> Result<Datum, ContentError> {
    let whole = |odd: Odd| odd.at(format, Place::Whole);
    if base.level() < Level::Resource {
        return Err(whole(Odd::new(format!("one value for {base}"), "a format of several: TLV, SenML or LwM2M JSON")));
    }
    let kind = types(base);
    let value = match format {
        Format::Cbor => cbor::decode(payload)?.coerce(kind),
        Format::Opaque => Value::Opaque(payload.to_vec()),
        _ => {
            let text = std::str::from_utf8(payload).map_err(|error| {
                Odd::new("a byte that is not UTF-8", "text in UTF-8").at(format, Place::Byte(error.valid_up_to()))
            })?;
            Value::from_text(kind.unwrap_or(Kind::Text), text).map_err(whole)?
        }
    };
    // Numbers come as text too, so of an unknown type only this much is sure: that it is written so.
    let basis = if format == Format::Text && kind.is_none() { Basis::Guessed } else { Basis::Known };
    Ok(Datum { basis, ..Datum::new(*base, value) })
}

/// The one value of `base`.
pub(super) fn encode(format: Format, base: &Path, values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    let whole = |odd: Odd| odd.at(format, Place::Whole);
    let datum = match values {
        [datum] if datum.path == *base && base.level() >= Level::Resource => datum,
        _ => return Err(whole(Odd::new(format!("{} values of {base}", values.len()), "one value of a resource"))),
    };
    if datum.time.is_some() {
        return Err(whole(Odd::new("a value with a time", "SenML or LwM2M JSON, which have a place for it")));
    }
    match (format, &datum.value) {
        (Format::Cbor, value) => cbor::encode(value),
        (Format::Opaque, Value::Opaque(bytes)) => Ok(bytes.clone()),
        (Format::Opaque, value) => {
            let kind = value.kind().map_or("none", Kind::name);
            Err(whole(Odd::new(format!("a value of type {kind}"), "bytes")))
        }
        (_, value) => value.to_text().map(String::into_bytes).ok_or_else(|| whole(Odd::new("no finite number", "a finite one"))),
    }
}
