//! A command's bytes: its parameters in the codec's order, a mid, and the codec's answer; or what the application wrote.

use std::sync::Arc;

use crate::catalog::{ActiveProduct, Slot};
use crate::codec::{DeviceCard, Instances};
use crate::command::next_mid;
use crate::model::{Command, Downlink, Origin, Timestamp};

/// What goes to the device.
pub(crate) struct Encoded {
    /// The response will carry it.
    pub(crate) mid: u16,
    /// For /19/1/0.
    pub(crate) payload: Vec<u8>,
}

/// Asks the product's codec for the bytes of a command. The reason of a failure is for the command's `failure.detail`.
pub(crate) fn encode(
    instances: &mut Instances,
    product: &ActiveProduct,
    card: &Arc<DeviceCard>,
    command: &Command,
    (last_mid, busy): (u16, &[u16]),
    has_more: bool,
    now: Timestamp,
) -> Result<Encoded, String> {
    if let Some(payload) = command.raw() {
        let mid = next_mid(last_mid, busy).ok_or("every mid of the device is in use")?;
        return Ok(Encoded { mid, payload });
    }
    let active = match &product.codec {
        Slot::Active(active) => active,
        Slot::Transparent => return Err("the product has no codec".to_owned()),
        Slot::Broken(why) => return Err(format!("the product's codec cannot be loaded: {why}")),
    };
    let index = active.plan.command(&command.service, &command.name);
    let index = index.ok_or_else(|| format!("the codec does not know the command {}.{}", command.service, command.name))?;
    let fields = active.plan.params(index, &command.params).map_err(|mistakes| {
        let told: Vec<_> = mistakes.iter().map(|mistake| format!("{}: {}", mistake.pointer, mistake.reason)).collect();
        told.join("; ")
    })?;
    let mid = next_mid(last_mid, busy).ok_or("every mid of the device is in use")?;
    let ask = Downlink::Command { index, mid, has_more, fields };
    // Nothing came in: the origin says to where it goes.
    let origin = Origin { instance: 1, ..Origin::app_data(now.0) };
    let encoded = instances.encode(&active.codec, card, ask, &origin);
    let (lines, _) = instances.take_log();
    for line in lines {
        tracing::debug!(target: "codec", endpoint = %card.endpoint, level = line.level, "{}", line.text);
    }
    match encoded {
        Ok(Some(payload)) => Ok(Encoded { mid, payload }),
        Ok(None) => Err("the codec made no bytes of the command".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
