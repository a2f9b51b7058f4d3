//! The codec host against a guest that means no good: whatever it does hurts the one call that it did it in.
//!
//! The guest is `tests/hostile-codec`, built here by the same code that `codecgate plugin build` uses. Borders (imports,
//! exports, headers) are in `admission.rs`, misbehaviour in calls in `calls.rs`. What no compiler would emit is in `adversarial.rs`, as text.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at any surprise")]

mod admission;
mod adversarial;
mod calls;
mod proof;
mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use codecgate::cli::build::build_component;
use codecgate::codec::{CallError, CallPath, Codec, DeviceCard, Host, Instances, Limits};
use codecgate::model::{Endpoint, Message, Origin, Value};

/// The hostile component's bytes, built once.
static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile-codec");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codecs");
    let component = build_component(&dir, &target).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read(component).expect("what was just built can be read")
});

/// A host whose compiled code all tests share: compiling takes longer than all else here.
fn host(limits: Limits) -> Arc<Host> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Host::new(limits, Some(&cache)).expect("a host starts")
}

/// An empty core module in a nested component: it does nothing, but a component that has it is no mere wrapper, so the same code
/// is called through wasmtime. Sections: 4 component, 1 core module.
const NESTED: &[u8] = b"\x04\x12\0asm\x0d\0\x01\0\x01\x08\0asm\x01\0\0\0";

/// Runs a test with the hostile codec as it is called directly, and as a component through wasmtime: both ways are one contract.
fn both(limits: Limits, test: impl Fn(&mut Bench)) {
    test(&mut Bench::new(limits.clone(), CallPath::Direct));
    test(&mut Bench::new(limits, CallPath::Component));
}

/// One worker with the hostile codec.
struct Bench {
    codec: Arc<Codec>,
    instances: Instances,
    card: Arc<DeviceCard>,
}

impl Bench {
    fn new(limits: Limits, path: CallPath) -> Self {
        let host = host(limits);
        let component = match path {
            CallPath::Direct => COMPONENT.clone(),
            CallPath::Component => [&COMPONENT, NESTED].concat(),
        };
        let bench = Self::of(&component, host);
        assert_eq!(bench.codec.path(), path);
        bench
    }

    fn of(component: &[u8], host: Arc<Host>) -> Self {
        let codec = host.load(component).unwrap_or_else(|refusal| panic!("{refusal}"));
        Self { codec, instances: Instances::new(host), card: card() }
    }

    fn decode(&mut self, payload: &[u8]) -> Result<Vec<Message>, CallError> {
        self.instances.decode(&self.codec, &self.card, payload, &Origin::app_data(1_700_000_000_000))
    }

    /// The only value of the only message.
    fn value(&mut self, payload: &[u8]) -> Value {
        let messages = self.decode(payload).unwrap_or_else(|error| panic!("{error}"));
        match messages.as_slice() {
            [Message::Report(report)] if report.fields.len() == 1 => report.fields[0].value.clone(),
            other => panic!("one report with one value expected, got {other:?}"),
        }
    }

    /// Calls that this instance has seen, this one included.
    fn count(&mut self) -> Value {
        self.value(&[0x0a])
    }
}

/// The device that all calls are for.
fn card() -> Arc<DeviceCard> {
    let attributes = BTreeMap::from([("floor".to_owned(), "3".to_owned())]);
    Arc::new(DeviceCard { endpoint: Endpoint::new("863703030000001").expect("valid"), attributes: Arc::new(attributes) })
}

/// A good frame of the six-value layout: 1,234,567 l, -1.5 l/h, 21.5 degrees, 3,600 mV, open, day 19,675.
fn frame() -> Vec<u8> {
    let mut frame = vec![0, 1];
    frame.extend(1_234_567u32.to_be_bytes());
    frame.extend((-150i32).to_be_bytes());
    frame.extend(215i16.to_be_bytes());
    frame.extend(3_600u16.to_be_bytes());
    frame.push(1);
    frame.extend(19_675u16.to_be_bytes());
    frame.push(0);
    let crc = frame.iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 })
    });
    frame.extend(crc.to_le_bytes());
    frame
}
