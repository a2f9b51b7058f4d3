//! A command's message: its parameters in the codec's order, a mid, and the codec's answer; or what the application wrote.

use std::sync::Arc;

use crate::catalog::{ActiveProduct, Slot};
use crate::coap::{Token, parse};
use crate::codec::{DeviceCard, Instances};
use crate::command::next_mid;
use crate::lwm2m::Ask;
use crate::lwm2m::appdata::DownShape;
use crate::model::{Command, Downlink, Origin, Registration, Timestamp, Wire, Work};
use crate::profile::Mistake;

use super::operation;

/// What goes to the device.
pub(crate) struct Encoded {
    /// The response will carry it; none for an operation.
    pub(crate) mid: Option<u16>,
    /// The request.
    pub(crate) ask: Ask,
}

/// Asks the product's codec for the bytes of a command, or puts an operation into the format that the device takes. The reason of a failure is for the command's `failure.detail`.
pub(crate) fn encode(
    instances: &mut Instances,
    (product, card, registration): (&ActiveProduct, &Arc<DeviceCard>, Option<&Registration>),
    command: &Command,
    (last_mid, busy, shape): (u16, &[u16], DownShape),
    has_more: bool,
    now: Timestamp,
) -> Result<Encoded, String> {
    let next_mid = || next_mid(last_mid, busy).ok_or("every mid of the device is in use");
    let (service, name, params) = match &command.what {
        Work::Raw(payload) => return Ok(Encoded { mid: Some(next_mid()?), ask: shape.ask(payload) }),
        Work::Operation { request, .. } => {
            let asked = operation::parse(request)
                .and_then(|operation| operation.ask(&operation::offer(registration)).map_err(|odd| operation::told(&odd)));
            return asked.map(|ask| Encoded { mid: None, ask }).map_err(|mistakes| in_words(&mistakes));
        }
        Work::Named { service, name, params } => (service, name, params),
    };
    let active = match &product.codec {
        Slot::Active(active) => active,
        Slot::Transparent => return Err("the product has no codec".to_owned()),
        Slot::Broken(why) => return Err(format!("the product's codec cannot be loaded: {why}")),
    };
    let index = active.plan.command(service, name);
    let index = index.ok_or_else(|| format!("the codec does not know the command {service}.{name}"))?;
    let fields = active.plan.params(index, params).map_err(|mistakes| in_words(&mistakes))?;
    let mid = next_mid()?;
    let ask = Downlink::Command { index, mid, has_more, fields };
    // Nothing came in: the origin says to where it goes.
    let origin = Origin { instance: 1, ..Origin::app_data(now.0) };
    let encoded = instances.encode(&active.codec, card, ask, &origin);
    let (lines, _) = instances.take_log();
    for line in lines {
        tracing::debug!(target: "codec", endpoint = %card.endpoint, level = line.level, "{}", line.text);
    }
    match encoded {
        Ok(Some(payload)) => Ok(Encoded { mid: Some(mid), ask: shape.ask(&payload) }),
        Ok(None) => Err("the codec made no bytes of the command".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn in_words(mistakes: &[Mistake]) -> String {
    let told: Vec<_> = mistakes.iter().map(|mistake| format!("{}: {}", mistake.pointer, mistake.reason)).collect();
    told.join("; ")
}

/// A request as it is stored with its command: a CoAP message without token.
pub(crate) fn written(ask: &Ask, wire: Wire) -> Vec<u8> {
    ask.message(wire.mid, Token::default()).to_bytes()
}

/// The request of a stored message.
pub(crate) fn read(request: &[u8]) -> Option<Ask> {
    let message = parse(request).ok()?;
    Some(Ask {
        code: message.code,
        path: message.path,
        query: message.query,
        observe: message.observe,
        content_format: message.content_format,
        accept: message.accept,
        payload: message.payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Code;

    #[test]
    fn a_request_is_stored_and_read_back() {
        let mut ask = Ask::new(Code::GET, ["3", "0"]);
        ask.accept = Some(112);
        for ask in [DownShape::Tlv.ask(&[1, 2, 3]), ask] {
            assert_eq!(read(&written(&ask, Wire { mid: 7, nonce: 1 })), Some(ask));
        }
        assert_eq!(read(&[0xff]), None);
    }
}
