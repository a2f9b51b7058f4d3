//! One piece of a run: decode, compare with the newest generation, write the next one.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::source::{self, Batch};
use super::{Example, Fate, Mode, PIECE, RedecodeError, Report, Request};
use crate::catalog::{ActiveCodec, ActiveProduct};
use crate::clock;
use crate::codec::{DeviceCard, Host, Instances};
use crate::model::{DeviceId, Endpoint, Event, EventId, EventKind, NewEvent, Origin, Timestamp};
use crate::shadow::compare::differences;
use crate::store::{Commit, Store, StoreError};
use crate::uplink;

/// Examples that are kept of each fate.
const EXAMPLES: usize = 5;
/// Corrections that are committed at once.
const COMMIT: usize = 32;
/// Pages without an uplink of the selection after which a piece ends all the same.
const EMPTY_PAGES: usize = 200;

/// Members of a body that tell who made it.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Made {
    trace: Option<String>,
    codec: Option<String>,
    profile: Option<String>,
    generation: Option<u32>,
}

impl Made {
    fn of(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    fn is_by(&self, other: &Self) -> bool {
        self.codec.is_some() && self.codec == other.codec && self.profile == other.profile
    }
}

pub(super) fn work(
    store: &Store,
    host: &Arc<Host>,
    (edition, codec): (&ActiveProduct, &ActiveCodec),
    request: &Request,
    now: Timestamp,
) -> Result<Report, RedecodeError> {
    let own = Made::of(&format!("{{{}}}", edition.provenance));
    let report = Report { version: edition.version, ..Report::default() };
    let instances = Instances::new(Arc::clone(host));
    let mut piece =
        Piece { store, edition, codec, request, now, own, instances, cards: HashMap::new(), report, batch: Vec::new() };
    piece.run()?;
    Ok(piece.report)
}

struct Piece<'a> {
    store: &'a Store,
    edition: &'a ActiveProduct,
    codec: &'a ActiveCodec,
    request: &'a Request,
    now: Timestamp,
    /// What events of this edition say of who made them.
    own: Made,
    instances: Instances,
    cards: HashMap<DeviceId, Arc<DeviceCard>>,
    report: Report,
    /// Not committed yet.
    batch: Vec<NewEvent>,
}

impl Piece<'_> {
    fn run(&mut self) -> Result<(), RedecodeError> {
        let begun = clock::monotonic();
        let mut cursor = self.request.cursor;
        'pages: for _ in 0..EMPTY_PAGES {
            let Batch { carriers, next } = source::read(self.store, self.request, cursor)?;
            for carrier in carriers {
                let is_late = clock::monotonic().saturating_duration_since(begun) >= PIECE;
                if self.report.looked_at >= u64::try_from(self.request.limit).unwrap_or(u64::MAX) || is_late {
                    break 'pages;
                }
                cursor = Some(carrier.id);
                self.uplink(carrier)?;
            }
            cursor = next;
            if next.is_none() {
                break;
            }
        }
        self.commit()?;
        self.report.next = cursor;
        Ok(())
    }

    fn uplink(&mut self, carrier: Event) -> Result<(), RedecodeError> {
        let events = source::whole(self.store, carrier)?;
        let Some(carrier) = events.first() else { return Ok(()) };
        let newest = self.store.corrections(carrier.id, 1)?.into_iter().next();
        let is_dead = carrier.fact.kind == EventKind::DeadLetter;
        let known = match &newest {
            Some(newest) => Some(Made::of(&newest.fact.body)),
            // The same version may do better with a dead letter: it was left alone then, or the machine was busy.
            None => (!is_dead).then(|| Made::of(&carrier.fact.body)),
        };
        self.report.looked_at += 1;
        if known.as_ref().is_some_and(|known| known.is_by(&self.own)) {
            self.report.skipped += 1;
            return Ok(());
        }
        let before = match &newest {
            Some(newest) => uplink::stored_content([newest]),
            None => uplink::stored_content(&events),
        };
        let after = self.decode(carrier)?;
        let differences = match (&before, &after) {
            (Some(before), Ok(after)) => differences(before, after),
            _ => Vec::new(),
        };
        let fate = match (&before, &after) {
            (_, Err(_)) => Fate::Failed,
            (None, Ok(_)) => Fate::Repaired,
            (Some(_), Ok(_)) if differences.is_empty() => Fate::Unchanged,
            (Some(_), Ok(_)) => Fate::Changed,
        };
        let count = match fate {
            Fate::Repaired => &mut self.report.repaired,
            Fate::Changed => &mut self.report.changed,
            Fate::Unchanged => &mut self.report.unchanged,
            Fate::Failed => &mut self.report.failed,
            Fate::Skipped => &mut self.report.skipped,
        };
        *count += 1;
        if let (Fate::Repaired | Fate::Changed, Ok(content)) = (fate, &after) {
            let generation = newest.as_ref().and_then(|newest| Made::of(&newest.fact.body).generation).unwrap_or(1) + 1;
            self.correct(carrier, generation, content)?;
        }
        let shown = self.report.examples.iter().filter(|example| example.fate == fate).count();
        if !matches!(fate, Fate::Unchanged | Fate::Skipped) && shown < EXAMPLES {
            let payload = carrier.fact.raw.clone().unwrap_or_default();
            let (original, time, device) = (carrier.id, carrier.fact.time, carrier.fact.device);
            self.report.examples.push(Example { original, time, device, payload, fate, before, after, differences });
        }
        Ok(())
    }

    /// What the edition makes of the bytes, or why not.
    fn decode(&mut self, carrier: &Event) -> Result<Result<Value, String>, RedecodeError> {
        let (device, received) = (carrier.fact.device, carrier.fact.time);
        let Some(card) = self.card(carrier)? else { return Ok(Err("the endpoint is none any more".to_owned())) };
        let payload = carrier.fact.raw.as_deref().unwrap_or_default();
        // Under which path the bytes came is not kept: application data is what all uplinks are.
        let answer = self.instances.decode(&self.codec.codec, &card, payload, &Origin::app_data(received.0));
        let _unread = self.instances.take_log();
        let mut failed = None;
        let find = |mid| {
            uplink::sent_before(self.store, device, mid, received).unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        };
        let content = match answer {
            Ok(messages) => uplink::content(self.codec, &messages, received.0, find),
            Err(error) => Err(error.to_string()),
        };
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(content),
        }
    }

    /// The device as it is today; of one that was deleted, the name that the event has.
    fn card(&mut self, carrier: &Event) -> Result<Option<Arc<DeviceCard>>, StoreError> {
        let id = carrier.fact.device;
        if let Some(card) = self.cards.get(&id) {
            return Ok(Some(Arc::clone(card)));
        }
        let card = match self.store.device(id)? {
            Some(found) => DeviceCard { endpoint: found.doc.endpoint, attributes: Arc::new(found.doc.attributes) },
            None => match Endpoint::new(&carrier.fact.endpoint) {
                Ok(endpoint) => DeviceCard { endpoint, attributes: Arc::default() },
                Err(_) => return Ok(None),
            },
        };
        let card = Arc::new(card);
        self.cards.insert(id, Arc::clone(&card));
        Ok(Some(card))
    }

    /// The next generation of an uplink.
    fn correct(&mut self, carrier: &Event, generation: u32, content: &Value) -> Result<(), RedecodeError> {
        let kind = match self.request.mode {
            Mode::Preview => return Ok(()),
            Mode::Record => EventKind::Redecoded,
            Mode::Emit => EventKind::Corrected,
        };
        let trace = Made::of(&carrier.fact.body).trace;
        let body = body(carrier.id, generation, (trace.as_deref(), &self.edition.provenance), self.request, carrier, content);
        let NewEvent { device, product, ref endpoint, .. } = carrier.fact;
        self.batch.push(NewEvent { kind, device, endpoint: endpoint.clone(), product, time: self.now, raw: None, body });
        if self.batch.len() >= COMMIT { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), RedecodeError> {
        let events = std::mem::take(&mut self.batch);
        if events.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.store.commit_blocking(Commit { events, writes: Vec::new() })?;
        self.report.written += count;
        Ok(())
    }
}

/// `{"original":"20780-184-3","generation":2,"trace":..,"codec":..,"version":..,"profile":..,"by":..,"received":..,"reports":[..]}`
fn body(
    original: EventId,
    generation: u32,
    (trace, provenance): (Option<&str>, &str),
    request: &Request,
    carrier: &Event,
    content: &Value,
) -> String {
    let by = Value::String(request.by.to_string());
    let trace = trace.map(|trace| format!("\"trace\":{},", Value::from(trace))).unwrap_or_default();
    let mut body = format!(
        "{}{original}\",\"generation\":{generation},{trace}{provenance},\"by\":{by},\"received\":\"{}\"",
        NewEvent::CORRECTS,
        carrier.fact.time,
    );
    for (name, list) in content.as_object().into_iter().flatten() {
        body.push_str(&format!(",{}:{list}", Value::from(name.as_str())));
    }
    body.push('}');
    body
}
