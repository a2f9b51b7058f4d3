//! Codecs inside a gateway: the samples keep their vectors and fit their profiles, and one that means no good hurts only its
//! own uplinks.

use std::sync::Arc;

use codecgate::admission::{Ran, Runner};
use codecgate::codec::{Host, Limits};
use codecgate::profile::{Plan, Profile};
use codecgate::vectors::{Vector, holds, parse};
use codecgate_tests::{Gateway, RawDevice, component, eventually, hostile_component, root};
use serde_json::{Value, json};

const SAMPLES: [&str; 2] = ["water-meter", "smoke-detector"];

/// Documents of a sample's vectors with their names.
fn documents(plugin: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("plugins").join(plugin).join("vectors")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// A sample in the sandbox, joined with the profile beside it.
struct Bench {
    codec: Arc<codecgate::codec::Codec>,
    plan: Plan,
    host: Arc<Host>,
}

impl Bench {
    fn new(plugin: &str) -> Self {
        // Vectors are about meaning; on a busy machine the first call of a debug build may pass the default deadline.
        let host = Host::new(Limits { deadline_ms: 1_000, ..Limits::default() }, None).unwrap();
        let codec = host.load(&component(plugin)).unwrap();
        let text = std::fs::read_to_string(root().join("plugins").join(plugin).join("profile.json")).unwrap();
        let profile = Profile::parse("profile.json", &text).unwrap();
        let plan = Plan::join(&profile, codec.description()).unwrap();
        Self { codec, plan, host }
    }

    fn run(&self, document: &str) -> Vec<(Vector, Ran)> {
        let mut runner = Runner::new(&self.codec, &self.plan, &self.host);
        parse(document).unwrap().into_iter().map(|vector| (vector.clone(), runner.run(&vector))).collect()
    }
}

#[test]
fn the_samples_keep_their_vectors_in_the_sandbox_and_stay_inside_their_profiles() {
    for plugin in SAMPLES {
        let bench = Bench::new(plugin);
        let mut count = 0;
        for (path, document) in documents(plugin) {
            for (vector, ran) in bench.run(&document) {
                assert!(holds(&vector.expected, &ran.answer) && ran.violations.is_empty(), "{path}: {}: {ran:?}", vector.name);
                count += 1;
            }
        }
        assert!(count >= 10, "{plugin} has only {count} vectors");
    }
}

#[test]
fn a_vector_that_says_something_else_fails_and_shows_both() {
    let bench = Bench::new("water-meter");
    let (_, reports) = documents("water-meter").into_iter().find(|(path, _)| path.ends_with("reports.json")).unwrap();
    assert!(reports.contains("12.345"));
    let changed = reports.replacen("12.345", "12.346", 1);
    let results = bench.run(&changed);
    let failed: Vec<_> = results.iter().filter(|(vector, ran)| !holds(&vector.expected, &ran.answer)).collect();
    assert_eq!(failed.len(), 1, "{results:?}");
    let (vector, ran) = failed[0];
    assert!(vector.expected.to_string().contains("12.346") && ran.answer.to_string().contains("12.345"), "{ran:?}");
}

#[test]
fn built_components_have_no_wasi_import() {
    for plugin in SAMPLES {
        let built = component(plugin);
        assert!(built.starts_with(b"\0asm\x0d\0\x01\0"), "{plugin}: a component");
        // In the whole file: an import cannot hide from that.
        for text in [b"wasi:".as_slice(), b"wasi_snapshot_preview1"] {
            assert!(!built.windows(text.len()).any(|window| window == text), "{plugin}");
        }
    }
}

/// A product whose codec is `tests/hostile-codec`, with a profile that fits its tables.
pub(super) async fn add_hostile_product(gateway: &Gateway) -> u64 {
    let names = ["volume", "flow", "temperature", "battery", "valve", "day"];
    let properties = names.map(|name| json!({ "name": name, "type": "int" }));
    let profile = json!({
        "manufacturerId": "Acme01", "model": "Hostile", "deviceType": "Meter",
        "services": [{ "serviceId": "Meter", "properties": properties,
            "commands": [{ "name": "SET_VALVE", "params": [{ "name": "open", "type": "boolean" }] }] }],
    });
    let body = json!({ "profile": profile, "endpointFormat": "any", "powerMode": "drx" });
    let product = gateway.api().post("/api/v1/products", &body).await.expect(201)["id"].as_u64().unwrap();
    let path = format!("/api/v1/products/{product}/codec");
    gateway.api().put(&path, hostile_component(), "application/wasm").await.expect(200);
    product
}

async fn letters(gateway: &Gateway) -> Vec<Value> {
    let page = gateway.api().get("/api/v1/dead-letters?limit=1000").await.expect(200);
    page["items"].as_array().cloned().unwrap_or_default()
}

async fn outcomes(gateway: &Gateway, device: u64) -> Vec<Value> {
    let page = gateway.api().get(&format!("/api/v1/devices/{device}/uplinks?limit=1000")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|uplink| uplink["outcome"].clone()).collect()
}

/// First bytes that `tests/hostile-codec` takes as orders.
const PANIC: u8 = 0x01;
const SPIN: u8 = 0x02;
const BOMB: u8 = 0x03;
const WELL: u8 = 0x0a;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_with_its_text_and_place_and_the_next_uplinks_are_decoded() {
    // Time enough to fill 16 MiB on a busy machine: it is the memory that is meant.
    let gateway = Gateway::with(|config| config.codec.deadline_ms = 1_000).await;
    let product = add_hostile_product(&gateway).await;
    let (one, two) = (gateway.add_device(product, "one").await, gateway.add_device(product, "two").await);
    let mut first = RawDevice::registered(gateway.coap_addr(), "one").await;
    let mut second = RawDevice::registered(gateway.coap_addr(), "two").await;

    first.report(&[&[PANIC], b"the sky is falling".as_slice()].concat()).await;
    first.report(&[WELL]).await;
    second.report(&[WELL]).await;
    first.report(&[BOMB]).await;
    second.report(&[WELL]).await;
    first.report(&[WELL]).await;

    let letters = letters(&gateway).await;
    let errors: Vec<&Value> = letters.iter().map(|letter| &letter["data"]["error"]).collect();
    assert_eq!(errors.len(), 2, "{letters:?}");
    let (bomb, panic) = (errors[0], errors[1]);
    assert_eq!(panic["code"], "trap");
    assert!(panic["detail"].as_str().unwrap().contains("the sky is falling"), "{panic}");
    let place = panic["function"].as_str().unwrap();
    assert!(place.contains("deep_inside::parse") && place.ends_with("called by decode"), "{panic}");
    assert_eq!(bomb["code"], "trap");
    assert!(bomb["detail"].as_str().unwrap().contains("memory"), "{bomb}");
    assert_eq!(outcomes(&gateway, one).await, ["decoded", "dead-letter", "decoded", "dead-letter"]);
    assert_eq!(outcomes(&gateway, two).await, ["decoded", "decoded"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_ends_at_its_deadline_and_the_gateway_answers_meanwhile() {
    const LOOPS: usize = 4;
    // The other device has another shard.
    let gateway = Gateway::with(|config| {
        config.workers = 2;
        config.codec.deadline_ms = 200;
    })
    .await;
    let product = add_hostile_product(&gateway).await;
    let (one, two) = (gateway.add_device(product, "one").await, gateway.add_device(product, "two").await);
    let mut looping = RawDevice::registered(gateway.coap_addr(), "one").await;
    let mut well = RawDevice::registered(gateway.coap_addr(), "two").await;

    for _ in 0..LOOPS {
        let notify = looping.notify(&[SPIN], coap_lite::MessageType::Confirmable);
        looping.send(&notify).await;
    }
    let health = gateway.api().get("/healthz").await;
    assert_eq!(health.status.as_u16(), 200, "{}", health.text);
    well.report(&[WELL]).await;
    assert_eq!(outcomes(&gateway, two).await, ["decoded"]);

    let letters = eventually("every loop is a dead letter", || async {
        let letters = letters(&gateway).await;
        (letters.len() == LOOPS).then_some(letters)
    })
    .await;
    for letter in &letters {
        let error = &letter["data"]["error"];
        assert_eq!((&error["code"], &letter["raw"]), (&json!("deadline"), &json!("02")), "{letter}");
        assert!(error["detail"].as_str().unwrap().contains("200 ms"), "{error}");
        assert!(error["function"].as_str().unwrap().contains("spin"), "{error}");
    }
    looping.report(&[WELL]).await;
    assert_eq!(outcomes(&gateway, one).await[0], "decoded");
    gateway.stop().await;
}
