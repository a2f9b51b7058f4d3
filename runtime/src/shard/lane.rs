//! One device as its shard sees it: what it is, whether it can hear, what is under way.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::coap::{Code, Random};
use crate::codec::DeviceCard;
use crate::downlink::Reach;
use crate::lwm2m::appdata::DownShape;
use crate::lwm2m::{Names, Occurrence};
use crate::model::{CommandId, CommandState, DeviceId, Habits, PowerMode, ProductId, Registration, Timestamp, Wire};
use crate::presence::{DeviceState, Limit, Meter, Presence, Rhythm, Sign, effective_mode, is_queue_mode};
use crate::store::{Store, StoreError};

/// Sent commands whose response may still come are remembered by mid, newest last.
const REMEMBERED: usize = 16;

/// An acknowledgement that was not waited for as long says nothing about the device: its downlink did not leave.
const WAITED_MS: u64 = 1_000;

const HOUR_MS: u64 = 3_600_000;

/// A device's state on its shard. Rebuilt from the store when the device is heard of, forgotten when nothing is under way.
pub struct Lane {
    pub(crate) device: DeviceId,
    pub(crate) product: ProductId,
    pub(crate) card: Arc<DeviceCard>,
    mode: Option<PowerMode>,
    registered: bool,
    /// Of its registration.
    location: String,
    queue_mode: bool,
    awake_until: Timestamp,
    hold: bool,
    /// Where it stands, and its rhythm.
    pub(crate) presence: Presence,
    /// What it said lately.
    pub(crate) meter: Meter,
    /// Commands wait or are under way.
    pub(crate) open: bool,
    last_mid: u16,
    sent: VecDeque<(u16, CommandId)>,
    wire_mid: Option<u16>,
    /// When it was last told that its name is used from too many addresses.
    turned_away: Option<Timestamp>,
    /// A command's write is on its way; what concerns the device waits until it is known.
    pub(crate) moving: bool,
    pub(crate) waiting: VecDeque<Occurrence>,
}

impl Lane {
    /// Rebuilds the lane of a device, none when there is no such device. `rhythm` = what memory knows newer than the store.
    pub(crate) fn load(store: &Store, id: DeviceId, rhythm: Rhythm) -> Result<Option<Self>, StoreError> {
        let Some(found) = store.device(id)? else { return Ok(None) };
        let device = found.doc;
        let mut presence = store.presence(&device)?;
        if rhythm != Rhythm::default() {
            presence.rhythm = rhythm;
        }
        let mut lane = Self {
            device: id,
            product: device.product,
            card: Arc::new(DeviceCard { endpoint: device.endpoint, attributes: Arc::new(device.attributes) }),
            mode: device.power_mode,
            registered: false,
            location: String::new(),
            queue_mode: false,
            awake_until: Timestamp(0),
            hold: false,
            presence,
            meter: Meter::default(),
            open: store.open_count(id, 1)? > 0,
            last_mid: 0,
            sent: VecDeque::new(),
            wire_mid: None,
            turned_away: None,
            moving: false,
            waiting: VecDeque::new(),
        };
        if let Some(registration) = store.registration(id)? {
            lane.joined(&registration);
        }
        let recent = store.commands(Some(id), None, None, REMEMBERED)?.items;
        let mut newest = Timestamp(0);
        for command in recent.iter().rev() {
            let (Some(mid), Some(sent)) = (command.mid, command.sent()) else { continue };
            if sent >= newest {
                (newest, lane.last_mid) = (sent, mid);
            }
            if matches!(command.state, CommandState::Sent | CommandState::Delivered | CommandState::Timeout) {
                lane.remember(mid, command.id);
            }
        }
        Ok(Some(lane))
    }

    /// It has a registration.
    pub(crate) fn joined(&mut self, registration: &Registration) {
        self.registered = true;
        self.location.clone_from(&registration.location);
        self.queue_mode = is_queue_mode(&registration.binding);
    }

    /// Whether the registration that it has is the one of this location.
    pub(crate) fn is_registered_at(&self, location: &str) -> bool {
        self.registered && self.location == location
    }

    /// It has none any more.
    pub(crate) fn left(&mut self) {
        self.registered = false;
        self.awake_until = Timestamp(0);
    }

    /// It spoke just now and listens for a while. True when it woke with that.
    pub(crate) fn heard(&mut self, sign: Sign, now: Timestamp, habits: &Habits) -> bool {
        let began = self.presence.rhythm.heard(now, sign, habits);
        self.listens(now, habits);
        began
    }

    /// A downlink was acknowledged, so it still listens.
    pub(crate) fn acknowledged(&mut self, now: Timestamp, habits: &Habits) {
        self.presence.rhythm.acknowledged(now, habits);
        self.listens(now, habits);
    }

    /// A downlink that was sent then was given up.
    pub(crate) fn unanswered(&mut self, sent: Timestamp, now: Timestamp, habits: &Habits) {
        if now.since(sent) >= WAITED_MS {
            self.presence.rhythm.unanswered(sent, habits);
        }
    }

    fn listens(&mut self, now: Timestamp, habits: &Habits) {
        self.presence.heard = now;
        self.awake_until = now.plus_ms(self.presence.rhythm.awake_ms(habits));
    }

    /// Whether it says that it is not finished: cached commands wait for its next report, at most while it listens (REFERENCE B.4).
    pub(crate) fn holds(&mut self, has_more: bool) {
        self.hold = has_more;
    }

    /// Whether it was added and never registered.
    pub(crate) fn never_came(&self) -> bool {
        self.presence.state == DeviceState::Registered && !self.registered
    }

    /// Until when it listens; past = it sleeps, if it is one that sleeps.
    pub(crate) fn awake_until(&self) -> Timestamp {
        self.awake_until
    }

    /// Whether nothing is lost when it is forgotten: what it must remember is stored, or kept as its rhythm.
    pub(crate) fn is_idle(&self, now: Timestamp, limit: Limit) -> bool {
        let is_quiet = !self.open && !self.moving && self.waiting.is_empty();
        let tells_soon = self.turned_away.is_some_and(|told| now.since(told) < HOUR_MS);
        is_quiet && !tells_soon && now >= self.awake_until && self.meter.is_forgettable(now, limit)
    }

    /// A Register from one address too many: whether that is to be told, once an hour.
    pub(crate) fn turns_away(&mut self, now: Timestamp) -> bool {
        let is_new = self.turned_away.is_none_or(|told| now.since(told) >= HOUR_MS);
        if is_new {
            self.turned_away = Some(now);
        }
        is_new
    }

    /// When it listens.
    pub(crate) fn mode(&self, product_mode: PowerMode) -> PowerMode {
        effective_mode(product_mode, self.mode, self.queue_mode).0
    }

    /// Whether a cached command may go out now.
    pub(crate) fn reach(&self, product_mode: PowerMode, now: Timestamp) -> Reach {
        if !self.registered {
            return Reach::Gone;
        }
        if matches!(self.presence.state, DeviceState::Abnormal | DeviceState::Offline) {
            return Reach::Silent;
        }
        let is_awake = now < self.awake_until;
        let is_asleep = self.mode(product_mode) == PowerMode::Psm && !is_awake;
        if is_asleep || (self.hold && is_awake) { Reach::Asleep } else { Reach::Listening }
    }

    /// How it takes payloads of object 19.
    pub(crate) fn shape(&self) -> DownShape {
        self.presence.shape.unwrap_or_default()
    }

    /// It reported like one that takes this shape. True when that is new: a plain report tells nothing, and what was learned from a
    /// refusal is the better witness.
    pub(crate) fn reported_in(&mut self, shape: DownShape) -> bool {
        let is_new = self.presence.shape.is_none() && shape != DownShape::Opaque;
        if is_new {
            self.presence.shape = Some(shape);
        }
        is_new
    }

    /// It refused a payload in this shape. The shape of the next one, if the refusal tells of shapes.
    pub(crate) fn refused_in(&mut self, shape: DownShape, refusal: Code) -> Option<DownShape> {
        // Of several payloads on their way the first one teaches.
        if shape == self.shape() {
            self.presence.shape = Some(shape.after(refusal, shape)?);
        }
        Some(self.shape()).filter(|next| *next != shape)
    }

    /// The last mid given, and those that must not be given again yet.
    pub(crate) fn mids(&self) -> (u16, Vec<u16>) {
        (self.last_mid, self.sent.iter().map(|(mid, _)| *mid).collect())
    }

    /// A command goes out under this mid.
    pub(crate) fn remember(&mut self, mid: u16, id: CommandId) {
        self.last_mid = mid;
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((mid, id));
    }

    /// Those whose response may still come, oldest first.
    pub(crate) fn remembered(&self) -> impl DoubleEndedIterator<Item = CommandId> + '_ {
        self.sent.iter().map(|(_, id)| *id)
    }

    /// The identity of the next message to the device. Message ids follow each other from a number that nobody can guess, so that
    /// none comes again while the device remembers it (RFC 7252 4.4).
    pub(crate) fn next_wire(&mut self, random: &mut Random) -> Wire {
        let mid = self.wire_mid.map_or_else(|| random.draw_mid(), |last| last.wrapping_add(1));
        self.wire_mid = Some(mid);
        let nonce = u32::try_from(random.draw() % u64::from(Names::NONCES)).unwrap_or_default();
        Wire { mid, nonce }
    }

    /// The newest command that was sent with this mid.
    pub(crate) fn sent_with(&self, mid: u16) -> Option<CommandId> {
        self.sent.iter().rev().find(|(sent, _)| *sent == mid).map(|(_, id)| *id)
    }
}

/// What a lane shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneView {
    /// Until when the device listens; past = it sleeps, if it is one that sleeps.
    pub awake_until: Timestamp,
    /// What was learned of it.
    pub rhythm: Rhythm,
    /// Messages in the window of flow control that runs.
    pub messages: u32,
    /// Whether flow control turned its last message away.
    pub throttled: bool,
}

impl LaneView {
    pub(crate) fn of(lane: &Lane, limit: Limit, now: Timestamp) -> Self {
        Self {
            awake_until: lane.awake_until(),
            rhythm: lane.presence.rhythm,
            messages: lane.meter.counted(now, limit),
            throttled: lane.meter.is_throttled(),
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
