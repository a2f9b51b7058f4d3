//! What has happened so far, said on the screen as it is delivered, and held against what must happen.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::app::Gateway;

/// Watches deliveries.
pub(super) struct Score {
    devices: HashMap<String, String>,
    reported: HashSet<String>,
    states: Vec<String>,
    dead_letters: usize,
}

/// The states that the demo's command must go through.
const STATES: [&str; 4] = ["PENDING", "SENT", "DELIVERED", "SUCCESSFUL"];

impl Score {
    pub(super) fn new(devices: &HashMap<String, String>) -> Self {
        Self { devices: devices.clone(), reported: HashSet::new(), states: Vec::new(), dead_letters: 0 }
    }

    /// An event as the receiver got it. The raw bytes are read from the store: subscribers get values.
    pub(super) fn note(&mut self, gateway: &Gateway, delivered: &str) {
        let event: Value = serde_json::from_str(delivered).unwrap_or_default();
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let endpoint = text("/endpoint");
        let who = self.devices.get(&endpoint).cloned().unwrap_or_default();
        let raw = text("/id").parse().ok().and_then(|id| gateway.parts().store.event(id).ok().flatten());
        let raw = raw.and_then(|event| event.fact.raw).map(hex::encode_upper).unwrap_or_default();
        match text("/kind").as_str() {
            "report" | "event-report" => {
                self.reported.insert(endpoint);
                let reports = event.pointer("/data/reports").and_then(Value::as_array).cloned().unwrap_or_default();
                for report in reports {
                    let service = report.get("service").and_then(Value::as_str).unwrap_or_default();
                    let values = report.get("values").unwrap_or(&Value::Null);
                    println!("{who:<19} {raw} -> {service} {values} -> delivered");
                }
            }
            "dead-letter" => {
                self.dead_letters += 1;
                let (code, detail) = (text("/data/error/code"), text("/data/error/detail"));
                println!("{who:<19} {raw} -> DEAD LETTER {code}: {detail} -> kept and delivered");
            }
            "command" => {
                let state = text("/data/state");
                let params = event.pointer("/data/params").unwrap_or(&Value::Null);
                println!("{who:<19} command {} {params} is {state}", text("/data/name"));
                self.states.push(state);
            }
            kind => println!("{who:<19} {kind} {}", text("/data/address")),
        }
    }

    pub(super) fn everybody_reported(&self) -> bool {
        self.devices.keys().all(|endpoint| self.reported.contains(endpoint))
    }

    /// What must still happen, in words.
    pub(super) fn missing(&self) -> Vec<String> {
        let silent = self.devices.iter().filter(|(endpoint, _)| !self.reported.contains(*endpoint));
        let mut missing: Vec<_> = silent.map(|(_, who)| format!("a delivered report of {who}")).collect();
        let mut seen = self.states.iter();
        if !STATES.iter().all(|wanted| seen.any(|state| state == wanted)) {
            missing.push(format!("a command that goes {} (seen: {})", STATES.join(", "), self.states.join(", ")));
        }
        if self.dead_letters == 0 {
            missing.push("a dead letter".to_owned());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_happened_yet() {
        let score = Score::new(&HashMap::from([("1".to_owned(), "water-meter PSM".to_owned())]));
        assert_eq!(score.missing().len(), 3);
        assert!(!score.everybody_reported());
    }

    #[test]
    fn states_must_come_in_order() {
        let mut score = Score::new(&HashMap::new());
        score.dead_letters = 1;
        score.states = ["SENT", "PENDING", "DELIVERED", "SUCCESSFUL"].map(str::to_owned).to_vec();
        assert_eq!(score.missing().len(), 1);
        score.states = STATES.map(str::to_owned).to_vec();
        assert!(score.missing().is_empty());
    }
}
