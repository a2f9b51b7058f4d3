//! One device as its shard sees it: what it is, whether it can hear, what is under way.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::codec::DeviceCard;
use crate::downlink::Reach;
use crate::lwm2m::Occurrence;
use crate::model::{CommandId, CommandState, DeviceId, PowerMode, ProductId, Registration, Timestamp};
use crate::store::{Store, StoreError};

/// Sent commands whose response may still come are remembered by mid, newest last.
const REMEMBERED: usize = 16;

/// A device's state on its shard. Rebuilt from the store when the device is first heard of.
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
    /// Commands wait or are under way.
    pub(crate) open: bool,
    last_mid: u16,
    sent: VecDeque<(u16, CommandId)>,
    /// A command's write is on its way; what concerns the device waits until it is known.
    pub(crate) moving: bool,
    pub(crate) waiting: VecDeque<Occurrence>,
}

impl Lane {
    /// Rebuilds the lane of a device, none when there is no such device.
    pub(crate) fn load(store: &Store, id: DeviceId) -> Result<Option<Self>, StoreError> {
        let Some(found) = store.device(id)? else { return Ok(None) };
        let device = found.doc;
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
            open: !store.open_commands(id)?.is_empty(),
            last_mid: 0,
            sent: VecDeque::new(),
            moving: false,
            waiting: VecDeque::new(),
        };
        if let Some(registration) = store.registration(id)? {
            lane.joined(&registration);
        }
        let recent = store.commands(Some(id), None, None, REMEMBERED)?.items;
        let mut newest = Timestamp(0);
        for command in recent.iter().rev() {
            let (Some(mid), Some(sent)) = (command.mid, command.sent) else { continue };
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
        self.queue_mode = registration.binding.contains('Q');
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

    /// It spoke just now and listens for a while, unless it says that it is not finished.
    pub(crate) fn spoke(&mut self, now: Timestamp, window_ms: u64, has_more: bool) {
        self.awake_until = now.plus_ms(window_ms);
        self.hold = has_more;
    }

    /// Whether a cached command may go out now.
    pub(crate) fn reach(&self, product_mode: PowerMode, now: Timestamp) -> Reach {
        if !self.registered {
            return Reach::Gone;
        }
        let mode = match self.mode.unwrap_or(product_mode) {
            PowerMode::Drx if self.queue_mode => PowerMode::Psm,
            mode => mode,
        };
        let awake = now < self.awake_until && !self.hold;
        if mode == PowerMode::Psm && !awake { Reach::Asleep } else { Reach::Listening }
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

    /// The newest command that was sent with this mid.
    pub(crate) fn sent_with(&self, mid: u16) -> Option<CommandId> {
        self.sent.iter().rev().find(|(sent, _)| *sent == mid).map(|(_, id)| *id)
    }
}
