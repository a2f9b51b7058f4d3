//! What a shard does for one device: uplinks, comings and goings, commands. Reads the lane, submits commits, leaves answers.

use std::sync::Arc;

use super::flow::Flow;
use super::patience::Patience;
use super::silence::Silence;
use super::worker::Mailbox;
use super::{Counters, Lane, told};
use crate::catalog::{ActiveProduct, Catalog, Site};
use crate::clock;
use crate::coap::Random;
use crate::codec::Instances;
use crate::command::{Happening, transition};
use crate::downlink::{self, Encoded, Ended, HEAD, Step};
use crate::lwm2m::{Answer, Came, DownlinkId, Names, Occurrence, RegisterRequest, Reply, Ticket, UplinkMessage};
use crate::model::{
    Command, CommandId, CommandState, Device, DeviceId, EventKind, PowerMode, Registration, Sending, Timestamp, Work,
};
use crate::presence::{self, Sign};
use crate::shadow::{Sample, Shadow};
use crate::store::{Commit, Done, Expect, Store, StoreError, Submission, Versioned, Write};
use crate::trace::Tracer;
use crate::transport::Answers;
use crate::uplink::{self, Before, End, Matched, Sender, Whose};

/// The server's moments are whole seconds of a clock that is never set.
const CLOCKS_DIFFER_MS: u64 = 2_000;
/// A downlink that is no command: its outcome concerns nobody.
const UNTRACKED: DownlinkId = DownlinkId(0);

/// Everything a shard works with but the lanes.
pub(super) struct Hands {
    pub(super) flow: Arc<Flow>,
    pub(super) silence: Arc<Silence>,
    pub(super) moves_per_hour: u16,
    pub(super) names: Names,
    pub(super) random: Random,
    pub(super) patience: Patience,
    /// When this gateway started: what was SENT before was sent by an earlier one.
    pub(super) started: Timestamp,
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) instances: Instances,
    pub(super) answers: Answers,
    pub(super) counters: Arc<Counters>,
    pub(super) mailbox: Mailbox,
    pub(super) batch: Vec<Submission>,
    pub(super) trace: u64,
    pub(super) shadow: Shadow,
    pub(super) tracer: Tracer,
}

impl Hands {
    /// Hands the batch to the committer. What it cannot take is told its failure here, as the committer would.
    pub(super) fn submit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        if self.tracer.is_on() {
            batch = batch.into_iter().map(|submission| told::watched(&self.tracer, &self.store, submission)).collect();
        }
        if let Err(refused) = self.store.submit(batch) {
            for submission in refused {
                (submission.done)(Err(StoreError::Busy));
            }
        }
    }

    pub(super) fn forget(&self, ticket: Ticket) {
        self.answers.push(Answer::Forget { ticket });
    }

    /// Nobody could take what a device did: it hears nothing and sends again.
    pub(super) fn unheard(&self, occurrence: &Occurrence, ticket: Ticket) {
        if matches!(occurrence, Occurrence::Uplink(_)) {
            Counters::add(&self.counters.not_stored);
        }
        self.forget(ticket);
    }

    /// One occurrence of a device that is not waiting for a command's write.
    pub(super) fn occurrence(&mut self, lane: &mut Lane, occurrence: Occurrence) -> Result<(), StoreError> {
        let now = clock::wall();
        if !self.lets_in(lane, &occurrence, now) {
            return Ok(());
        }
        match occurrence {
            Occurrence::Uplink(message) => self.uplink(lane, &message, now),
            Occurrence::Update { ticket, registration } => {
                lane.joined(&registration);
                let mut commit = uplink::updated(whose(lane), registration, now);
                self.heard(lane, Sign::Registration, now, &mut commit);
                lane.holds(false);
                self.accept(lane, ticket, commit, Answer::Accept { ticket });
                self.advance(lane)
            }
            Occurrence::Deregister { ticket, .. } => {
                lane.left();
                let mut commit = uplink::deregistered(whose(lane), now);
                self.gone(lane, presence::Happening::Left, now, &mut commit);
                self.accept(lane, ticket, commit, Answer::Accept { ticket });
                Ok(())
            }
            Occurrence::Resources(message, came) => self.resources(lane, &message, came, now),
            Occurrence::Keep { registration } => self.keep(lane, registration),
            Occurrence::Expired { .. } => {
                // The moment that the server knew may be that of an older registration.
                let Some(stored) = self.store.registration(lane.device)? else { return Ok(()) };
                if stored.expires() > now.plus_ms(CLOCKS_DIFFER_MS) {
                    self.answers.remember(vec![stored]);
                    return Ok(());
                }
                lane.left();
                let mut commit = uplink::offline(whose(lane), now);
                self.gone(lane, presence::Happening::Lapsed, now, &mut commit);
                let (endpoint, device, mailbox) = (lane.card.endpoint.clone(), lane.device, self.mailbox.clone());
                let done: Done = Box::new(move |result| {
                    if let Err(error) = result {
                        mailbox.unstored(device);
                        tracing::error!(%endpoint, %error, "an expired registration was not stored; it expires again after a restart");
                    }
                });
                self.batch.push(Submission { commit, done });
                Ok(())
            }
            Occurrence::Answered { id, reply, .. } => {
                // An answer shows that the device still listens.
                lane.acknowledged(now, &self.habits(lane));
                self.answered(lane, id, &reply, now)
            }
            Occurrence::Reset { id, .. } => self.outcome(lane, id, Happening::Refused { detail: "RST".to_owned() }, now),
            Occurrence::TimedOut { id, .. } => self.unheard_of(lane, id, now),
            Occurrence::Recall { device } => self.recall(device),
            Occurrence::Register(request) => {
                self.forget(request.ticket);
                Ok(())
            }
        }
    }

    /// The server wants to know a device that spoke.
    pub(super) fn recall(&self, device: DeviceId) -> Result<(), StoreError> {
        let found = self.store.registration(device);
        let registration = found.as_ref().ok().cloned().flatten().map(Box::new);
        self.answers.push(Answer::Recalled { device, registration });
        found.map(drop)
    }

    /// What changed about a registration since it was stored, unless the device has registered anew.
    fn keep(&mut self, lane: &Lane, registration: Registration) -> Result<(), StoreError> {
        let stored = self.store.registration(lane.device)?;
        if stored.is_none_or(|stored| stored.location != registration.location || stored.updated > registration.updated)
            || !lane.is_registered_at(&registration.location)
        {
            return Ok(());
        }
        let (commit, device) = (Commit { events: Vec::new(), writes: vec![Write::PutRegistration(registration)] }, lane.device);
        let done: Done = Box::new(move |result| {
            if let Err(error) = result {
                tracing::warn!(%device, %error, "a device's new address was not stored; it is learned again when it speaks");
            }
        });
        self.batch.push(Submission { commit, done });
        Ok(())
    }

    pub(super) fn register(&mut self, lane: &mut Lane, device: &Device, request: RegisterRequest) -> Result<(), StoreError> {
        let now = clock::wall();
        let (ticket, peer) = (request.ticket, request.peer);
        let occurrence = Occurrence::Register(request);
        if !self.lets_in(lane, &occurrence, now) {
            return Ok(());
        }
        let Occurrence::Register(request) = occurrence else { return Ok(()) };
        let earlier = self.store.registration(device.id)?;
        let before = Before { registration: earlier.as_ref(), moves_per_hour: self.moves_per_hour };
        if let Some(commit) = before.refusal(Whose::from(device), peer, now) {
            tracing::warn!(endpoint = %device.endpoint, %peer, "not let in: it registered from too many addresses within an hour");
            self.accept(lane, ticket, commit, Answer::Refuse { ticket, code: 429 });
            return Ok(());
        }
        tracing::info!(endpoint = %device.endpoint, %peer, lifetime = request.lifetime_s, "registered");
        let (names, random) = (&self.names, &mut self.random);
        let mut seal = |of| names.seal(device.id, of, u32::try_from(random.draw() >> 32).unwrap_or_default());
        let observe = self.catalog.active(device.product).map(|active| active.product.observe.clone()).unwrap_or_default();
        let (registration, mut commit) = uplink::registered(Whose::from(device), request, before, &observe, &mut seal, now);
        lane.joined(&registration);
        self.heard(lane, Sign::Registration, now, &mut commit);
        lane.holds(false);
        self.accept(lane, ticket, commit, Answer::Register { ticket, registration });
        self.advance(lane)
    }

    /// Commits, then gives the answer; if the commit fails the device hears nothing and sends again.
    fn accept(&mut self, lane: &Lane, ticket: Ticket, commit: Commit, answer: Answer) {
        let (device, answers, mailbox) = (lane.device, self.answers.clone(), self.mailbox.clone());
        let done: Done = Box::new(move |result| {
            if result.is_err() {
                mailbox.unstored(device);
            }
            answers.push(if result.is_ok() { answer } else { Answer::Forget { ticket } });
        });
        self.batch.push(Submission { commit, done });
    }

    fn uplink(&mut self, lane: &mut Lane, message: &UplinkMessage, now: Timestamp) -> Result<(), StoreError> {
        let ticket = message.ticket;
        let Some(product) = self.catalog.active(lane.product) else {
            Counters::add(&self.counters.not_stored);
            self.forget(ticket);
            return Ok(());
        };
        let (mut commit, mut moved, mut ends, mut acks) = (Commit::default(), Vec::new(), Vec::new(), Vec::new());
        let mut has_more = false;
        for message in uplink::payloads(message).iter() {
            self.trace = self.trace.wrapping_add(1);
            let sender = Sender { device: lane.device, product: &product, card: &lane.card };
            let store = &self.store;
            let find = |mid| matched(store, lane, mid);
            let outcome = uplink::work(&mut self.instances, sender, message, (now, self.trace), lane.open, find);
            if self.tracer.is_on() {
                told::decoded(&self.tracer, lane, &product, message, &outcome, self.trace);
            }
            self.shadow_of(lane, &product, message, outcome.wonder, now);
            for why in outcome.ignored {
                self.counters.ignored.get(why.index()).map(Counters::add);
            }
            commit.events.extend(outcome.events);
            for (command, happening) in outcome.answered {
                // A second answer in one message finds the command moved already.
                if !moved.contains(&command.doc.id)
                    && let Ok(next) = transition(&command.doc, happening, now)
                {
                    moved.push(next.id);
                    add_move(&mut commit, lane, next, &command);
                }
            }
            has_more = outcome.has_more;
            ends.push(outcome.end);
            acks.extend(outcome.ack);
        }
        lane.moving |= !moved.is_empty();
        let is_report = commit.events.iter().any(|event| !matches!(event.kind, EventKind::Response | EventKind::Command));
        self.heard(lane, if is_report { Sign::Report } else { Sign::Answer }, now, &mut commit);
        lane.holds(has_more);
        let (answers, counters, device) = (self.answers.clone(), Arc::clone(&self.counters), lane.device);
        let (mailbox, is_moving) = (self.mailbox.clone(), lane.moving);
        let done: Done = Box::new(move |result| {
            match result {
                Ok(()) => {
                    // The message was counted as one when it came.
                    ends.iter().skip(1).for_each(|_| Counters::add(&counters.received));
                    for end in ends {
                        Counters::add(match end {
                            End::Decoded => &counters.decoded,
                            End::Transparent => &counters.transparent,
                            End::DeadLetter => &counters.dead_letter,
                        });
                    }
                    answers.push(Answer::Accept { ticket });
                    for payload in acks {
                        let ask = downlink::app_data(payload);
                        answers.push(Answer::Send { device, id: UNTRACKED, ask, wire: None, max_retransmit: None });
                    }
                }
                Err(error) => {
                    Counters::add(&counters.not_stored);
                    tracing::warn!(%device, %error, "an uplink was not stored and not acknowledged; the device sends it again");
                    answers.push(Answer::Forget { ticket });
                    mailbox.unstored(device);
                }
            }
            if is_moving {
                mailbox.push(device);
            }
        });
        self.batch.push(Submission { commit, done });
        if lane.open && !lane.moving { self.advance(lane) } else { Ok(()) }
    }

    /// A copy of an uplink for the thread beside the traffic, where it is wanted.
    fn shadow_of(
        &self,
        lane: &Lane,
        product: &Arc<ActiveProduct>,
        message: &UplinkMessage,
        wonder: Option<Site>,
        now: Timestamp,
    ) {
        let sample = || Sample {
            product: Arc::clone(product),
            device: lane.device,
            card: Arc::clone(&lane.card),
            payload: message.payload.clone(),
            origin: uplink::origin_of(message, now),
        };
        if let Some(site) = wonder {
            self.shadow.explain(sample(), site);
        }
        if let Some(candidate) = product.candidate {
            self.shadow.compare(sample(), candidate);
        } else if product.codec().is_some_and(|codec| codec.pulse.is_to_weigh()) {
            self.shadow.weigh(sample());
        }
    }

    /// Values of resources that no codec decodes: one event.
    fn resources(&mut self, lane: &mut Lane, message: &UplinkMessage, came: Came, now: Timestamp) -> Result<(), StoreError> {
        self.trace = self.trace.wrapping_add(1);
        let mut commit =
            Commit { events: vec![uplink::resources(whose(lane), message, came, (now, self.trace))], writes: Vec::new() };
        self.heard(lane, Sign::Report, now, &mut commit);
        lane.holds(false);
        let ticket = message.ticket;
        self.accept(lane, ticket, commit, Answer::Accept { ticket });
        self.advance(lane)
    }

    /// What became of a command's datagram.
    fn outcome(&mut self, lane: &mut Lane, id: DownlinkId, happening: Happening, now: Timestamp) -> Result<(), StoreError> {
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
    fn answered(&mut self, lane: &mut Lane, id: DownlinkId, reply: &Reply, now: Timestamp) -> Result<(), StoreError> {
        let command = if id == UNTRACKED { None } else { self.store.command(CommandId(id.0))? };
        let operation = command.and_then(|command| match command.doc.what {
            Work::Operation { request, .. } => downlink::parse(&request).ok(),
            Work::Named { .. } | Work::Raw(_) => None,
        });
        let happening = match operation.map(|operation| downlink::ended(&operation, reply)) {
            Some(Ended::Well(result)) => Happening::Answered { result },
            Some(Ended::Refused(detail)) => Happening::Refused { detail },
            None if reply.code.is_success() => Happening::Acknowledged,
            None => Happening::Refused { detail: format!("{:#}", reply.code) },
        };
        self.outcome(lane, id, happening, now)
    }

    /// The transport gave up. An eDRX device may have more time than that: the network keeps what it is to get.
    fn unheard_of(&mut self, lane: &mut Lane, id: DownlinkId, now: Timestamp) -> Result<(), StoreError> {
        let command = if id == UNTRACKED { None } else { self.store.command(CommandId(id.0))? };
        let has_time = command.is_some_and(|command| {
            let until = command.doc.sending.as_ref().map_or(now, |sending| sending.until);
            // What comes back at once was not sent at all.
            let was_sent = command.doc.last_sent().is_some_and(|sent| now.since(sent) >= self.patience.ack_ms);
            let edrx = self.catalog.active(lane.product).is_some_and(|product| self.edrx_timeout(lane, &product).is_some());
            edrx && was_sent && now < until
        });
        let happening = if has_time { Happening::Unheard } else { Happening::Unacknowledged };
        self.outcome(lane, id, happening, now)
    }

    /// Seconds that the product gives an eDRX device.
    fn edrx_timeout(&self, lane: &Lane, product: &ActiveProduct) -> Option<u32> {
        let is_edrx = lane.mode(product.product.power_mode) == PowerMode::Edrx;
        product.product.commands.edrx_timeout_s.filter(|_| is_edrx)
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
        let encoded = downlink::encode(instances, (product, card, registration), command, (last, &busy), has_more, now);
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
                let (until, _) = self.patience.of(command, self.edrx_timeout(lane, product), now);
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
        let edrx_timeout = self.catalog.active(lane.product).and_then(|product| self.edrx_timeout(lane, &product));
        let (_, max_retransmit) = self.patience.of(command, edrx_timeout, command.moved());
        let (device, id, wire) = (lane.device, DownlinkId(command.id.0), Some(sending.wire));
        Some(Answer::Send { device, id, ask, wire, max_retransmit })
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
fn matched(store: &Store, lane: &Lane, mid: u16) -> Matched {
    let read = |id| store.command(id).ok().flatten();
    if mid != 0 {
        return lane.sent_with(mid).and_then(read).map_or(Matched::Foreign, |command| Matched::Command(Box::new(command)));
    }
    Matched::alone(lane.remembered().filter_map(read))
}

pub(super) fn whose(lane: &Lane) -> Whose<'_> {
    Whose { device: lane.device, endpoint: lane.card.endpoint.as_str(), product: lane.product }
}

fn add_move(commit: &mut Commit, lane: &Lane, next: Command, from: &Versioned<Command>) {
    commit.events.push(downlink::event(&next, lane.card.endpoint.as_str()));
    commit.writes.push(Write::PutCommand(next, Expect::Version(from.version)));
}
