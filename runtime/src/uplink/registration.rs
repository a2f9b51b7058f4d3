//! What a device's coming and going becomes: its registration document and one event (LwM2M Core 6.2).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;

use crate::lwm2m::{RegisterRequest, Use, spell};
use crate::model::{Asker, Device, DeviceId, EventKind, NewEvent, Observation, ProductId, Registration, Timestamp};
use crate::store::{Commit, Write};

/// Whom a registration is of.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) device: DeviceId,
    pub(crate) endpoint: &'a str,
    pub(crate) product: ProductId,
}

impl<'a> From<&'a Device> for Whose<'a> {
    fn from(device: &'a Device) -> Self {
        Self { device: device.id, endpoint: device.endpoint.as_str(), product: device.product }
    }
}

impl Whose<'_> {
    /// An event about the device.
    pub(crate) fn event(self, kind: EventKind, time: Timestamp, body: String) -> NewEvent {
        let endpoint = self.endpoint.to_owned();
        NewEvent { kind, device: self.device, endpoint, product: self.product, time, raw: None, body }
    }
}

/// What is known of a device when it registers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Before<'a> {
    /// Its registration that still lives.
    pub(crate) registration: Option<&'a Registration>,
    /// Registers from elsewhere that are let in within an hour.
    pub(crate) moves_per_hour: u16,
}

impl Before<'_> {
    /// Where it was, if this comes from another IP address; another port alone is a NAT at work.
    fn elsewhere(&self, peer: SocketAddr, now: Timestamp) -> Option<&Registration> {
        self.registration.filter(|before| before.peer.ip() != peer.ip() && before.expires() > now)
    }

    /// The event of a Register that is not let in because there were too many from elsewhere: none if it may come. Told once an hour,
    /// and nothing else is written: whoever sends a thousand costs the disk one.
    pub(crate) fn refusal(&self, whose: Whose<'_>, peer: SocketAddr, now: Timestamp) -> Option<NewEvent> {
        let before = self.elsewhere(peer, now)?;
        let moves = before.moves.and_one(now);
        (moves.count > self.moves_per_hour).then(|| moved(whose, before.peer, peer, "refused", moves.count, now))
    }
}

fn moved(whose: Whose<'_>, from: SocketAddr, to: SocketAddr, outcome: &str, count: u16, now: Timestamp) -> NewEvent {
    let body = json!({ "from": from, "to": to, "outcome": outcome, "withinHour": count }).to_string();
    whose.event(EventKind::DeviceMoved, now, body)
}

/// A Register that is let in. `observe` = what its product wants to be observed beside /19/0/0; `seal` makes a new number for a use.
pub(crate) fn registered(
    whose: Whose<'_>,
    request: RegisterRequest,
    before: Before<'_>,
    observe: &[String],
    seal: &mut dyn FnMut(Use) -> u64,
    now: Timestamp,
) -> (Registration, Commit) {
    // What an application asked to be observed stays so when the device registers anew.
    let earlier = before.registration.into_iter().flat_map(|before| &before.observations);
    let asked = earlier.filter(|observation| observation.by == Asker::Application).map(|observation| &observation.path);
    let named = observe.iter().map(|path| (path, Asker::Product));
    let wanted: BTreeMap<&String, Asker> = asked.map(|path| (path, Asker::Application)).chain(named).collect();
    let observations = wanted.into_iter().filter(|(path, _)| is_offered(path, &request.objects)).map(|(path, by)| Observation {
        path: path.clone(),
        token: spell(seal(Use::Observation)),
        taken: false,
        by,
    });
    let observations = observations.collect();
    let elsewhere = before.elsewhere(request.peer, now);
    let moves = elsewhere.map(|before| before.moves.and_one(now)).or(before.registration.map(|before| before.moves));
    let moves = moves.unwrap_or_default();
    let moved = elsewhere.map(|before| moved(whose, before.peer, request.peer, "taken-over", moves.count, now));
    let registration = Registration {
        device: whose.device,
        location: spell(seal(Use::Location)),
        token: spell(seal(Use::Observation)),
        peer: request.peer,
        lifetime_s: request.lifetime_s,
        version: request.version,
        binding: request.binding,
        objects: request.objects,
        formats: request.formats,
        observed: false,
        observations,
        registered: now,
        updated: now,
        moves,
    };
    let event = whose.event(EventKind::DeviceRegistered, now, describe(&registration));
    let commit =
        Commit { events: moved.into_iter().chain([event]).collect(), writes: vec![Write::PutRegistration(registration.clone())] };
    (registration, commit)
}

/// Whether a device lists the object of a path, or does not say what it has.
fn is_offered(path: &str, objects: &[String]) -> bool {
    let object = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    objects.is_empty() || objects.iter().any(|listed| object(listed) == object(path))
}

/// A renewed registration.
pub(crate) fn updated(whose: Whose<'_>, registration: Registration, now: Timestamp) -> Commit {
    let event = whose.event(EventKind::DeviceUpdated, now, describe(&registration));
    Commit { events: vec![event], writes: vec![Write::PutRegistration(registration)] }
}

/// The device left.
pub(crate) fn deregistered(whose: Whose<'_>, now: Timestamp) -> Commit {
    let event = whose.event(EventKind::DeviceDeregistered, now, "{}".to_owned());
    Commit { events: vec![event], writes: vec![Write::DeleteRegistration(whose.device)] }
}

/// The device's lifetime passed.
pub(crate) fn offline(whose: Whose<'_>, now: Timestamp) -> Commit {
    let body = json!({ "reason": "lifetime-expired" }).to_string();
    let event = whose.event(EventKind::DeviceOffline, now, body);
    Commit { events: vec![event], writes: vec![Write::DeleteRegistration(whose.device)] }
}

fn describe(registration: &Registration) -> String {
    json!({
        "address": registration.peer,
        "lifetime": registration.lifetime_s,
        "lwm2m": registration.version,
        "binding": registration.binding,
        "objects": registration.objects,
    })
    .to_string()
}
