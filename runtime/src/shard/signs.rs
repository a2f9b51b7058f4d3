//! What the words and the silence of a device mean for its presence: states, rhythm, flow control, removal.
//!
//! Every change is in the commit of what caused it. The rules are in `crate::presence`; here they meet the lane and the store.

use serde_json::json;

use super::hands::{Hands, whose};
use super::silence::removal;
use super::{Counters, Lane};
use crate::clock;
use crate::lwm2m::{Answer, Came, Occurrence, Ticket};
use crate::model::{EventKind, Habits, Timestamp};
use crate::presence::{Admission, Change, Happening, Limits, Sign, next_look, transition};
use crate::store::{Commit, Done, StoreError, Submission, Write};

/// After a commit that failed, a device is looked at again so much later.
const AGAIN_MS: u64 = 60_000;

impl Hands {
    pub(super) fn habits(&self, lane: &Lane) -> Habits {
        self.catalog.active(lane.product).map(|active| active.product.habits).unwrap_or_default()
    }

    /// The device spoke: what follows goes into the commit.
    pub(super) fn heard(&self, lane: &mut Lane, sign: Sign, now: Timestamp, commit: &mut Commit) {
        let habits = self.habits(lane);
        let happening = if sign == Sign::Registration { Happening::Joined } else { Happening::Spoke };
        let began = lane.heard(sign, now, &habits);
        let change = transition(lane.presence.state, happening, now, Limits::from(&habits));
        self.changed(lane, change, &habits, now, commit);
        if change.is_none() && (sign == Sign::Registration || (began && lane.presence.rhythm.is_worth_writing())) {
            commit.writes.push(Write::PutPresence(lane.presence));
        }
    }

    /// The device left, or its lifetime is over.
    pub(super) fn gone(&self, lane: &mut Lane, happening: Happening, now: Timestamp, commit: &mut Commit) {
        let habits = self.habits(lane);
        let change = transition(lane.presence.state, happening, now, Limits::from(&habits));
        self.changed(lane, change, &habits, now, commit);
    }

    fn changed(&self, lane: &mut Lane, change: Option<Change>, habits: &Habits, now: Timestamp, commit: &mut Commit) {
        let Some(Change { from, to, reason, since }) = change else { return };
        (lane.presence.state, lane.presence.since) = (to, since);
        let body = json!({ "from": from, "to": to, "reason": reason.as_str(), "since": since.to_string() });
        commit.events.push(whose(lane).event(EventKind::DeviceState, now, body.to_string()));
        commit.writes.push(Write::PutPresence(lane.presence));
        self.silence.set(lane.device, next_look(to, lane.presence.heard, Limits::from(habits)));
    }

    /// Nothing was heard of the device for so long that somebody should look.
    pub(super) fn look(&mut self, lane: &mut Lane) -> Result<(), StoreError> {
        let now = clock::wall();
        if lane.never_came() {
            return self.never_came(lane, now);
        }
        let habits = self.habits(lane);
        let limits = Limits::from(&habits);
        let heard = self.store.last_seen(lane.device).unwrap_or_default().max(lane.presence.heard);
        lane.presence.heard = heard;
        let change = transition(lane.presence.state, Happening::Looked { heard }, now, limits);
        if change.is_none() {
            self.silence.set(lane.device, next_look(lane.presence.state, heard, limits));
            return Ok(());
        }
        let mut commit = Commit::default();
        self.changed(lane, change, &habits, now, &mut commit);
        tracing::info!(endpoint = %lane.card.endpoint, state = %lane.presence.state, "silent for too long");
        let (device, silence, mailbox) = (lane.device, self.silence.clone(), self.mailbox.clone());
        let done: Done = Box::new(move |result| {
            if result.is_err() {
                silence.set(device, Some(now.plus_ms(AGAIN_MS)));
                mailbox.unstored(device);
            }
        });
        self.batch.push(Submission { commit, done });
        Ok(())
    }

    /// Removes a device that did not register in time. A Register that is on its way finds its device gone and is refused.
    fn never_came(&mut self, lane: &Lane, now: Timestamp) -> Result<(), StoreError> {
        let Some(stored) = self.store.device(lane.device)? else { return Ok(()) };
        let Some(at) = removal(&stored.doc) else { return Ok(()) };
        if now < at {
            self.silence.set(lane.device, Some(at));
            return Ok(());
        }
        let timeout_s = stored.doc.registration_timeout_s;
        let body = json!({ "reason": "registration-timeout", "timeoutS": timeout_s }).to_string();
        let event = whose(lane).event(EventKind::DeviceRemoved, now, body);
        let commit = Commit { events: vec![event], writes: vec![Write::DeleteDevice(lane.device)] };
        tracing::info!(endpoint = %lane.card.endpoint, timeout_s, "removed: it never registered");
        let (device, answers, mailbox, silence) = (lane.device, self.answers.clone(), self.mailbox.clone(), self.silence.clone());
        let done: Done = Box::new(move |result| match result {
            Ok(()) => {
                answers.push(Answer::Remove { device });
                mailbox.gone(device);
            }
            Err(_) => silence.set(device, Some(now.plus_ms(AGAIN_MS))),
        });
        self.batch.push(Submission { commit, done });
        Ok(())
    }

    /// Whether flow control lets a device's message in. What is not let in is answered here: a request is told when to come again, a
    /// report hears nothing and comes again by itself.
    pub(super) fn lets_in(&mut self, lane: &mut Lane, occurrence: &Occurrence, now: Timestamp) -> bool {
        let (ticket, is_request) = match occurrence {
            Occurrence::Uplink(message) | Occurrence::Resources(message, Came::Notified) => (message.ticket, false),
            Occurrence::Resources(message, Came::Sent) => (message.ticket, true),
            Occurrence::Update { ticket, .. } => (*ticket, true),
            Occurrence::Register(request) => (request.ticket, true),
            _ => return true,
        };
        let limit = self.flow.device_limit();
        let admission = lane.meter.admit(now, limit);
        match admission {
            Admission::TakenAgain => self.tell_flow(lane, json!({ "flow": "ok" }), now),
            Admission::RefusedFirst => {
                let told = json!({ "flow": "throttled", "messages": limit.messages, "windowS": limit.window_ms / 1_000 });
                self.tell_flow(lane, told, now);
                tracing::warn!(endpoint = %lane.card.endpoint, messages = limit.messages, "the device says too much");
            }
            Admission::Taken | Admission::Refused => {}
        }
        let taken = admission.is_taken() && self.flow.take_for(lane.product, now);
        if !taken && matches!(occurrence, Occurrence::Uplink(_)) {
            Counters::add(&self.counters.not_stored);
        }
        if !admission.is_taken() {
            Counters::add(&self.counters.device_throttled);
            self.turn_away(ticket, is_request, lane.meter.left_ms(now, limit));
            return false;
        }
        if !taken {
            Counters::add(&self.counters.application_throttled);
            self.turn_away(ticket, is_request, 1_000);
        }
        taken
    }

    fn turn_away(&self, ticket: Ticket, is_request: bool, wait_ms: u64) {
        if is_request {
            let max_age_s = u32::try_from(wait_ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
            return self.answers.push(Answer::Later { ticket, max_age_s });
        }
        self.forget(ticket);
    }

    fn tell_flow(&mut self, lane: &Lane, body: serde_json::Value, now: Timestamp) {
        let event = whose(lane).event(EventKind::DeviceState, now, body.to_string());
        let device = lane.device;
        let done: Done = Box::new(move |result| {
            if let Err(error) = result {
                tracing::warn!(%device, %error, "that a device says too much, or no longer, was not stored");
            }
        });
        self.batch.push(Submission { commit: Commit { events: vec![event], writes: Vec::new() }, done });
    }
}
