//! What a shard does for one device: uplinks, comings and goings. Reads the lane, submits commits, leaves answers. Its commands are
//! in `errands`.

use std::sync::Arc;

use super::errands::{add_move, matched};
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
use crate::lwm2m::{Answer, Came, DownlinkId, Names, Occurrence, Pace, RegisterRequest, Ticket, UplinkMessage};
use crate::model::{Device, DeviceId, EventKind, Registration, Timestamp};
use crate::presence::{self, Sign};
use crate::shadow::{Sample, Shadow};
use crate::store::{Commit, Done, Store, StoreError, Submission, Write};
use crate::trace::Tracer;
use crate::transport::Answers;
use crate::uplink::{self, Before, End, Sender, Whose};

/// The server's moments are whole seconds of a clock that is never set.
const CLOCKS_DIFFER_MS: u64 = 2_000;
/// A downlink that is no command: its outcome concerns nobody.
pub(super) const UNTRACKED: DownlinkId = DownlinkId(0);

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
        self.answers.push(match &found {
            Ok(registration) => Answer::Recalled { device, registration: registration.clone().map(Box::new) },
            Err(_) => Answer::NotRecalled { device },
        });
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
        if let Some(event) = before.refusal(Whose::from(device), peer, now) {
            let refuse = Answer::Refuse { ticket, code: 429 };
            if !lane.turns_away(now) {
                self.answers.push(refuse);
                return Ok(());
            }
            tracing::warn!(endpoint = %device.endpoint, %peer, "not let in: it registered from too many addresses within an hour");
            self.accept(lane, ticket, Commit { events: vec![event], writes: Vec::new() }, refuse);
            return Ok(());
        }
        tracing::info!(endpoint = %device.endpoint, %peer, lifetime = request.lifetime_s, "registered");
        let (names, random) = (&self.names, &mut self.random);
        // One after the other, so that no two numbers of a registration are the same.
        let mut nonce = u32::try_from(random.draw() >> 32).unwrap_or_default();
        let mut seal = |of| {
            nonce = nonce.wrapping_add(1);
            names.seal(device.id, of, nonce)
        };
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
        let (payloads, shape) = uplink::payloads(message);
        for message in payloads.iter() {
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
        if lane.reported_in(shape) {
            commit.writes.push(Write::PutPresence(lane.presence));
        }
        lane.holds(has_more);
        let shape = lane.shape();
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
                        let ask = shape.ask(&payload);
                        answers.push(Answer::Send { device, id: UNTRACKED, ask, wire: None, pace: Pace::default() });
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
}

pub(super) fn whose(lane: &Lane) -> Whose<'_> {
    Whose { device: lane.device, endpoint: lane.card.endpoint.as_str(), product: lane.product }
}
