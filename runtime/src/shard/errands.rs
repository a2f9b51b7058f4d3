//! What a shard does with a device's commands: takes their next step, makes their messages, learns what became of them. What a
//! command means is told in `crate::command` and `crate::downlink`.

use std::time::Duration;

use super::hands::{Hands, UNTRACKED};
use super::patience::Edrx;
use super::{Lane, told};
use crate::catalog::ActiveProduct;
use crate::clock;
use crate::coap::Code;
use crate::command::{Happening, transition};
use crate::downlink::{self, Encoded, Ended, HEAD, Step};
use crate::lwm2m::appdata::DownShape;
use crate::lwm2m::{Answer, Ask, DownlinkId, Reply};
use crate::model::{Command, CommandId, CommandState, PowerMode, Sending, Timestamp, Work};
use crate::store::{Commit, Done, Expect, Store, StoreError, Submission, Versioned, Write};
use crate::uplink::Matched;

impl Hands {
    /// What became of a command's datagram.
    pub(super) fn outcome(
        &mut self,
        lane: &mut Lane,
        id: DownlinkId,
        happening: Happening,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if id == UNTRACKED {
            return Ok(());
        }
        let command = self.store.command(CommandId(id.0))?;
        if happening == Happening::Unacknowledged
            && let Some(sent) = command.as_ref().and_then(|command| command.doc.last_sent())
        {
            lane.unanswered(sent, now, &self.habits(lane));
        }
        if let Some(command) = command
            && let Ok(next) = transition(&command.doc, happening, now)
        {
            self.move_command(lane, next, &command);
        }
        Ok(())
    }

    /// What the device answered to a command's message: of an operation that is its result, of others the acknowledgement.
    pub(super) fn answered(&mut self, lane: &mut Lane, id: DownlinkId, reply: &Reply, now: Timestamp) -> Result<(), StoreError> {
        let command = if id == UNTRACKED { None } else { self.store.command(CommandId(id.0))? };
        let (operation, request) = command.map_or((None, None), |command| match command.doc.what {
            Work::Operation { request, .. } => (downlink::parse(&request).ok(), None),
            Work::Named { .. } | Work::Raw(_) => (None, command.doc.sending.and_then(|sending| downlink::read(&sending.request))),
        });
        let happening = match operation.map(|operation| downlink::ended(&operation, reply)) {
            Some(Ended::Well(result)) => Happening::Answered { result },
            Some(Ended::Refused(detail)) => Happening::Refused { detail },
            None if reply.code.is_success() => Happening::Acknowledged,
            None => Happening::Refused { detail: self.refused(lane, request.as_ref(), reply.code) },
        };
        self.outcome(lane, id, happening, now)
    }

    /// A payload was refused: why, and in which shape the next one goes if that may help.
    fn refused(&mut self, lane: &mut Lane, request: Option<&Ask>, refusal: Code) -> String {
        let Some(next) = request.and_then(DownShape::of).and_then(|shape| lane.refused_in(shape, refusal)) else {
            return format!("{refusal:#}");
        };
        let (device, mailbox) = (lane.device, self.mailbox.clone());
        let done: Done = Box::new(move |result| {
            if result.is_err() {
                mailbox.unstored(device);
            }
        });
        let writes = vec![Write::PutPresence(lane.presence)];
        self.batch.push(Submission { commit: Commit { events: Vec::new(), writes }, done });
        format!("{refusal:#}; the next command goes {}", next.described())
    }

    /// The transport gave up. An eDRX device may have more time than that: the network keeps what it is to get.
    pub(super) fn unheard_of(&mut self, lane: &mut Lane, id: DownlinkId, now: Timestamp) -> Result<(), StoreError> {
        let command = if id == UNTRACKED { None } else { self.store.command(CommandId(id.0))? };
        let has_time = command.is_some_and(|command| {
            let until = command.doc.sending.as_ref().map_or(now, |sending| sending.until);
            // What comes back at once was not sent at all.
            let was_sent = command.doc.last_sent().is_some_and(|sent| now.since(sent) >= self.patience.ack_ms);
            let edrx = self.catalog.active(lane.product).is_some_and(|product| self.edrx(lane, &product).timeout_s.is_some());
            edrx && was_sent && now < until
        });
        let happening = if has_time { Happening::Unheard } else { Happening::Unacknowledged };
        self.outcome(lane, id, happening, now)
    }

    /// Seconds that the product gives an eDRX device.
    fn edrx(&self, lane: &Lane, product: &ActiveProduct) -> Edrx {
        let product = &product.product;
        if lane.mode(product.power_mode) != PowerMode::Edrx {
            return Edrx::default();
        }
        let paging = Duration::try_from_secs_f64(product.habits.edrx_cycle_s).unwrap_or_default();
        Edrx { timeout_s: product.commands.edrx_timeout_s, paging }
    }

    /// The time of a command may be over.
    pub(super) fn due(&mut self, lane: &mut Lane, id: CommandId) -> Result<(), StoreError> {
        if lane.moving {
            return Ok(());
        }
        let now = clock::wall();
        if let Some(command) = self.store.command(id)?
            && let Some(happening) = downlink::overdue(&command.doc, now)
            && let Ok(next) = transition(&command.doc, happening, now)
        {
            self.move_command(lane, next, &command);
            return Ok(());
        }
        self.advance(lane)
    }

    /// Takes the next step with the device's commands, if one is due and none is under way.
    pub(super) fn advance(&mut self, lane: &mut Lane) -> Result<(), StoreError> {
        if lane.moving {
            return Ok(());
        }
        let now = clock::wall();
        let open = self.store.next_commands(lane.device, HEAD)?;
        lane.open = !open.is_empty();
        let Some(product) = self.catalog.active(lane.product) else { return Ok(()) };
        let reach = lane.reach(product.product.power_mode, now);
        let (command, happening) = match downlink::next_step(&open, reach, now, self.started) {
            Step::Rest => return Ok(()),
            Step::Move(command, happening) => (command, happening),
            Step::Send { command, has_more } => (command, self.encode(lane, &product, &command.doc, has_more, now)),
        };
        match transition(&command.doc, happening, now) {
            Ok(next) => self.move_command(lane, next, command),
            Err(unmoved) => tracing::error!(command = %command.doc.id, %unmoved, "a step that the life cycle refuses"),
        }
        Ok(())
    }

    fn encode(
        &mut self,
        lane: &mut Lane,
        product: &ActiveProduct,
        command: &Command,
        has_more: bool,
        now: Timestamp,
    ) -> Happening {
        let (last, busy) = lane.mids();
        // An operation is put into a format that the device offered when it registered.
        let registration = match command.what {
            Work::Operation { .. } => self.store.registration(lane.device).ok().flatten(),
            Work::Named { .. } | Work::Raw(_) => None,
        };
        let registration = registration.as_ref();
        let (instances, card) = (&mut self.instances, &lane.card);
        let begun = clock::monotonic();
        let encoded =
            downlink::encode(instances, (product, card, registration), command, (last, &busy, lane.shape()), has_more, now);
        if self.tracer.is_on() {
            let took = clock::monotonic().saturating_duration_since(begun);
            told::encoded(&self.tracer, lane, product, command, encoded.as_ref().map_err(String::as_str), took);
        }
        match encoded {
            Ok(Encoded { mid, ask }) => {
                if let Some(mid) = mid {
                    lane.remember(mid, command.id);
                }
                let wire = lane.next_wire(&mut self.random);
                let (until, _) = self.patience.of(command, self.edrx(lane, product), now);
                Happening::Sent { mid, sending: Sending { wire, request: downlink::written(&ask, wire), until } }
            }
            Err(detail) => {
                tracing::warn!(endpoint = %lane.card.endpoint, command = %command.id, detail, "a command could not be encoded");
                Happening::EncodeFailed { detail }
            }
        }
    }

    /// The message of a command that is SENT.
    fn send(&self, lane: &Lane, command: &Command) -> Option<Answer> {
        let sending = command.sending.as_ref().filter(|_| command.state == CommandState::Sent)?;
        let ask = downlink::read(&sending.request)?;
        let edrx = self.catalog.active(lane.product).map(|product| self.edrx(lane, &product)).unwrap_or_default();
        let (_, pace) = self.patience.of(command, edrx, command.moved());
        let (device, id, wire) = (lane.device, DownlinkId(command.id.0), Some(sending.wire));
        Some(Answer::Send { device, id, ask, wire, pace })
    }

    /// Stores a moved command and its event. One that is SENT then leaves, as it is stored (SENT is stored before it is true).
    fn move_command(&mut self, lane: &mut Lane, next: Command, from: &Versioned<Command>) {
        let device = lane.device;
        let send = self.send(lane, &next);
        let mut commit = Commit::default();
        add_move(&mut commit, lane, next, from);
        lane.moving = true;
        let (answers, mailbox) = (self.answers.clone(), self.mailbox.clone());
        let done: Done = Box::new(move |result| {
            match (result, send) {
                (Ok(()), Some(send)) => answers.push(send),
                (Ok(()), None) => {}
                (Err(error), _) => tracing::warn!(%device, %error, "a command's step was not stored; it is tried again"),
            }
            mailbox.push(device);
        });
        self.batch.push(Submission { commit, done });
    }
}

/// The command that a response with this mid answers; 0 = the device names none, so it must be the only one that is outstanding.
pub(super) fn matched(store: &Store, lane: &Lane, mid: u16) -> Matched {
    let read = |id| store.command(id).ok().flatten();
    if mid != 0 {
        return lane.sent_with(mid).and_then(read).map_or(Matched::Foreign, |command| Matched::Command(Box::new(command)));
    }
    Matched::alone(lane.remembered().filter_map(read))
}

/// Stores a command's next state and its event with what else is committed.
pub(super) fn add_move(commit: &mut Commit, lane: &Lane, next: Command, from: &Versioned<Command>) {
    commit.events.push(downlink::event(&next, lane.card.endpoint.as_str()));
    commit.writes.push(Write::PutCommand(next, Expect::Version(from.version)));
}
