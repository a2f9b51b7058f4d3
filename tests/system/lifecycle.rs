//! What befalls a codec version at work: left alone when it traps too often, taken back by policy, tried in the shadow, corrected
//! by decoding again, explained where it traps.

use std::time::Duration;

use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, hostile_component, hostile_variant, meter, patience};
use serde_json::{Value, json};

use super::codecs::add_hostile_product;

/// `tests/hostile-codec`: panics.
const PANIC: &[u8] = &[0x01, b'o', b'h'];
/// Reports the volumes 0 and 1.
const TWO: &[u8] = &[0x06, 0, 2];
/// Reports nothing.
const NONE: &[u8] = &[0x06, 0, 0];

async fn get(gateway: &Gateway, path: &str) -> Value {
    gateway.api().get(path).await.expect(200)
}

async fn push(gateway: &Gateway, product: u64, component: Vec<u8>, query: &str) -> u64 {
    let path = format!("/api/v1/products/{product}/codec{query}");
    gateway.api().put(&path, component, "application/wasm").await.expect(200)["number"].as_u64().unwrap()
}

async fn redecode(gateway: &Gateway, product: u64, body: Value) -> Value {
    gateway.api().post(&format!("/api/v1/products/{product}/redecode"), &body).await.expect(200)
}

/// A device that is registered and may report.
async fn device(gateway: &Gateway, product: u64, endpoint: &str) -> (u64, RawDevice) {
    let id = gateway.add_device(product, endpoint).await;
    (id, RawDevice::registered(gateway.coap_addr(), endpoint).await)
}

async fn uplinks(gateway: &Gateway, device: u64, query: &str) -> Vec<Value> {
    let page = get(gateway, &format!("/api/v1/devices/{device}/uplinks{query}")).await;
    page["items"].as_array().unwrap().clone()
}

async fn product_events(gateway: &Gateway, product: u64, kind: &str) -> Vec<Value> {
    let page = get(gateway, &format!("/api/v1/products/{product}/events")).await;
    page["items"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_that_traps_is_left_alone_and_called_again_while_others_serve() {
    let gateway = Gateway::with(|config| {
        config.codec.breaker_faults = 3;
        config.codec.breaker_pause = Duration::from_secs(3);
        config.http.metrics_open = true;
    })
    .await;
    let product = add_hostile_product(&gateway).await;
    let other = gateway.add_product("water-meter", json!({})).await;
    let (bad, mut failing) = device(&gateway, product, "bad").await;
    let calls = format!("/api/v1/products/{product}/codec/versions/1/calls");
    let (good, mut serving) = device(&gateway, other, "good").await;
    for _ in 0..3 {
        failing.report(PANIC).await;
    }
    failing.report(TWO).await;
    serving.report(&meter::frame(1)).await;
    let held = &uplinks(&gateway, bad, "?limit=1").await[0];
    assert_eq!((&held["outcome"], &held["data"]["error"]["code"]), (&json!("dead-letter"), &json!("codec-degraded")), "{held}");
    assert_eq!(held["raw"], "060002");
    assert_eq!(uplinks(&gateway, good, "").await[0]["outcome"], "decoded");
    assert_eq!(get(&gateway, "/healthz").await["codecs"]["degraded"], 1);
    let metrics = gateway.api().get("/metrics").await.text;
    for line in [
        "codecgate_codec_degraded{product=\"Acme01/Hostile\",version=\"1\"} 1",
        "codecgate_codec_decodes_total{product=\"Acme01/Hostile\",version=\"1\",outcome=\"trap\"} 3",
        "codecgate_codec_decodes_total{product=\"Acme01/Hostile\",version=\"1\",outcome=\"held\"} 1",
        "codecgate_codec_decodes_total{product=\"Codecgate/WM20\",version=\"1\",outcome=\"decoded\"} 1",
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line} is not in\n{metrics}");
    }
    let told = &product_events(&gateway, product, "codec-degraded").await[0]["data"];
    assert_eq!((&told["version"], &told["faults"], &told["error"]["code"]), (&json!(1), &json!(3), &json!("trap")), "{told}");

    // Each report may be the probe; the device keeps its socket, since the gateway knows repeated messages by it.
    let recovered = tokio::time::timeout(patience(), async {
        while get(&gateway, &calls).await["degraded"] == true {
            failing.report(TWO).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    recovered.await.unwrap();
    assert_eq!(product_events(&gateway, product, "codec-recovered").await.len(), 1);
    assert_eq!(get(&gateway, "/healthz").await["codecs"]["degraded"], 0);

    // What was kept meanwhile is decoded now; what trapped traps again.
    let done = redecode(&gateway, product, json!({ "deadLetters": true, "mode": "commit", "limit": 1000 })).await;
    assert_eq!((&done["failed"], done["repaired"] == done["written"]), (&json!(3), true), "{done}");
    assert!(done["repaired"].as_u64().unwrap() >= 1, "{done}");
    let left = uplinks(&gateway, bad, "?limit=1000").await;
    assert_eq!(left.iter().filter(|uplink| uplink["outcome"] == "dead-letter").count(), 3);
    gateway.stop().await;
}

/// What the newest of so many rollbacks tells.
async fn taken_back(gateway: &Gateway, product: u64, count: usize) -> Value {
    let switch = eventually("the version is taken back", || async {
        let switches = product_events(gateway, product, "codec-switched").await;
        let back: Vec<&Value> = switches.iter().filter(|event| event["data"]["how"] == "rollback").collect();
        (back.len() == count).then(|| back[0]["data"].clone())
    })
    .await;
    assert_eq!((&switch["who"], &switch["to"]["version"]), (&json!("policy"), &json!(1)), "{switch}");
    switch
}

/// The event is durable a moment before the version takes its place.
async fn decoded_by_the_first(gateway: &Gateway, id: u64, device: &mut RawDevice) {
    let decoded = tokio::time::timeout(patience(), async {
        loop {
            device.report(TWO).await;
            let newest = uplinks(gateway, id, "?limit=1").await[0].clone();
            if newest["outcome"] == "decoded" && newest["data"]["version"] == 1 {
                return;
            }
        }
    });
    decoded.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_that_fails_more_than_the_old_one_is_taken_back_by_policy() {
    let gateway = Gateway::with(|config| {
        config.codec.auto_rollback = true;
        config.codec.rollback_uplinks = 5;
        config.codec.breaker_faults = 3;
    })
    .await;
    let product = add_hostile_product(&gateway).await;
    let (id, mut device) = device(&gateway, product, "one").await;
    for _ in 0..5 {
        device.report(TWO).await;
    }
    assert_eq!(push(&gateway, product, hostile_variant("deaf"), "").await, 2);
    for _ in 0..4 {
        device.report(TWO).await;
    }
    // Four are too few to judge.
    assert_eq!(get(&gateway, &format!("/api/v1/products/{product}")).await["codecVersion"], 2);
    device.report(TWO).await;
    let switch = taken_back(&gateway, product, 1).await;
    assert!(switch["comment"].as_str().unwrap().contains("5 of its first 5"), "{switch}");
    decoded_by_the_first(&gateway, id, &mut device).await;

    // One that is left alone is judged at once: no more will be known of it.
    assert_eq!(push(&gateway, product, hostile_variant("trap"), "").await, 3);
    for _ in 0..3 {
        device.report(TWO).await;
    }
    let switch = taken_back(&gateway, product, 2).await;
    assert!(switch["comment"].as_str().unwrap().contains("3 of its first 3"), "{switch}");
    decoded_by_the_first(&gateway, id, &mut device).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_sees_live_traffic_and_its_differences_are_shown() {
    let gateway = Gateway::with(|config| config.http.metrics_open = true).await;
    let product = add_hostile_product(&gateway).await;
    let (id, mut device) = device(&gateway, product, "one").await;
    let base = format!("/api/v1/products/{product}/codec/versions");
    let not_tried = gateway.api().get(&format!("{base}/1/shadow")).await.expect(409);
    assert_eq!(not_tried["code"], "E4310");
    assert_eq!(push(&gateway, product, hostile_variant("more"), "?candidate=true").await, 2);
    assert_eq!(get(&gateway, &format!("{base}/2/shadow")).await["state"], "waiting");
    for payload in [TWO, NONE, TWO, &[0x08, 0, 1], PANIC] {
        device.report(payload).await;
    }
    let run = eventually("all are compared", || async {
        let run = get(&gateway, &format!("{base}/2/shadow")).await;
        (run["compared"] == 5).then_some(run)
    })
    .await;
    assert_eq!((&run["state"], &run["against"]), (&json!("running"), &json!(1)));
    let counts = ["equal", "different", "repaired", "broken", "bothFail", "dropped"].map(|name| run[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 0, 0, 0, 0], "{run}");
    let example = &run["examples"][0];
    assert_eq!((&example["payload"], &example["deviceId"]), (&json!("060002"), &json!(id)));
    let first = json!({ "path": "/reports/0/values/volume", "from": 0, "to": 1_000 });
    assert_eq!((&example["differences"][0], example["differences"].as_array().unwrap().len()), (&first, 2));
    assert!(run["active"]["fuelMean"].as_u64().unwrap() > 0 && run["candidate"]["microsMax"].as_f64().unwrap() > 0.0, "{run}");
    let metrics = gateway.api().get("/metrics").await.text;
    let line = "codecgate_shadow_uplinks_total{product=\"Acme01/Hostile\",version=\"2\",finding=\"different\"} 2";
    assert!(metrics.lines().any(|own| own == line), "{metrics}");
    // The devices noticed nothing.
    assert_eq!(uplinks(&gateway, id, "").await[4]["data"]["reports"][1]["values"]["volume"], 1);

    // Another candidate begins anew; the promoted one has ended.
    assert_eq!(push(&gateway, product, hostile_variant("deaf"), "?candidate=true").await, 3);
    device.report(TWO).await;
    eventually("the new candidate is tried", || async {
        let run = get(&gateway, &format!("{base}/3/shadow")).await;
        (run["broken"] == 1 && run["compared"] == 1).then_some(())
    })
    .await;
    gateway.api().post(&format!("{base}/3/activate"), &Value::Null).await.expect(200);
    assert_eq!(get(&gateway, &format!("{base}/3/shadow")).await["state"], "ended");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_decoded_again_once_whatever_is_asked_and_killed_in_between() {
    let mut gateway = Gateway::start().await;
    let product = add_hostile_product(&gateway).await;
    push(&gateway, product, hostile_variant("deaf"), "").await;
    let (id, mut device) = device(&gateway, product, "one").await;
    for _ in 0..3 {
        device.report(TWO).await;
    }
    // The version at work refuses them still.
    let vain = redecode(&gateway, product, json!({ "deadLetters": true })).await;
    assert_eq!((&vain["failed"], &vain["examples"][0]["outcome"]), (&json!(3), &json!("failed")), "{vain}");

    let all = json!({ "deadLetters": true, "version": 1 });
    let preview = redecode(&gateway, product, all.clone()).await;
    assert_eq!((&preview["repaired"], &preview["written"], &preview["next"]), (&json!(3), &json!(0), &Value::Null), "{preview}");
    assert_eq!(preview["examples"][0]["after"]["reports"][1]["values"]["volume"], 1);
    assert!(uplinks(&gateway, id, "").await.iter().all(|uplink| uplink["outcome"] == "dead-letter" && uplink["generation"] == 1));

    let some = json!({ "deadLetters": true, "version": 1, "mode": "commit", "limit": 2 });
    let first = redecode(&gateway, product, some).await;
    assert_eq!((&first["repaired"], &first["written"]), (&json!(2), &json!(2)), "{first}");
    assert!(first["next"].is_string(), "{first}");
    // As after a crash: nobody remembers the cursor.
    gateway.restart().await;
    let sink = Sink::start(Behaviour::Accept).await;
    let hook = json!({ "url": sink.url(), "secret": "secret-of-the-lifecycle-test" });
    gateway.api().post("/api/v1/subscriptions", &hook).await.expect(201);
    let emit = json!({ "deadLetters": true, "version": 1, "mode": "commit", "emit": true });
    let second = redecode(&gateway, product, emit.clone()).await;
    assert_eq!((&second["skipped"], &second["repaired"], &second["written"]), (&json!(2), &json!(1), &json!(1)), "{second}");
    let third = redecode(&gateway, product, emit).await;
    assert_eq!((&third["skipped"], &third["written"]), (&json!(3), &json!(0)), "{third}");
    let pushed = eventually("the correction is pushed", || async {
        let got: Vec<Value> = sink.got().into_iter().map(|received| received.json).collect();
        got.iter().any(|event| event["kind"] == "corrected").then_some(got)
    })
    .await;
    assert!(pushed.iter().all(|event| event["kind"] != "redecoded"), "{pushed:?}");
    let told = &pushed.iter().find(|event| event["kind"] == "corrected").unwrap()["data"];
    assert_eq!((&told["generation"], &told["version"]), (&json!(2), &json!(1)), "{told}");

    let listed = uplinks(&gateway, id, "").await;
    assert_eq!(listed.len(), 3);
    for uplink in &listed {
        assert_eq!((&uplink["outcome"], &uplink["generation"], &uplink["raw"]), (&json!("decoded"), &json!(2), &json!("060002")));
        assert_eq!((&uplink["data"]["original"], &uplink["data"]["reports"][1]["values"]["volume"]), (&uplink["id"], &json!(1)));
    }
    assert!(listed.iter().any(|uplink| told["original"] == uplink["id"]));

    // Any span, with any version, of one device or of all: each makes a generation of what says something else.
    let more = push(&gateway, product, hostile_variant("more"), "?candidate=true").await;
    let span = |device: Option<u64>, mode: &str| json!({ "from": "2000-01-01T00:00:00Z", "to": "2999-01-01T00:00:00Z", "device": device, "version": more, "mode": mode });
    for device in [None, Some(id)] {
        let seen = redecode(&gateway, product, span(device, "preview")).await;
        assert_eq!((&seen["changed"], &seen["lookedAt"]), (&json!(3), &json!(3)), "{seen}");
        assert_eq!(seen["examples"][0]["differences"][0]["path"], "/reports/0/values/volume");
    }
    assert_eq!(redecode(&gateway, product, span(None, "commit")).await["written"], 3);
    let newest = &uplinks(&gateway, id, "?generations=all&limit=1").await[0];
    let generations: Vec<&Value> = newest["generations"].as_array().unwrap().iter().map(|one| &one["generation"]).collect();
    assert_eq!((generations, &newest["generation"]), (vec![&json!(3), &json!(2), &json!(1)], &json!(3)), "{newest}");
    assert_eq!(newest["generations"][2]["outcome"], "dead-letter");
    assert_eq!(newest["data"]["reports"][0]["values"]["volume"], 1_000);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_2_11_a_trap_is_explained_with_its_frames_and_the_line_that_shows_it_again() {
    let gateway = Gateway::start().await;
    let product = add_hostile_product(&gateway).await;
    assert_eq!(push(&gateway, product, hostile_component(), "").await, 1, "known");
    let (id, mut device) = device(&gateway, product, "one").await;
    device.report(PANIC).await;
    let error = uplinks(&gateway, id, "").await[0]["data"]["error"].clone();
    assert_eq!(error["run"], "codecgate plugin run DIR --hex 016F68", "{error}");
    assert!(error["frames"][0].as_str().unwrap().contains("deep_inside::parse"), "{error}");
    assert_eq!(error["log"][0]["level"], "error", "{error}");
    let traps = eventually("somebody looked at it", || async {
        let calls = get(&gateway, &format!("/api/v1/products/{product}/codec/versions/1/calls")).await;
        (calls["traps"][0]["explained"] == true).then(|| calls["traps"].clone())
    })
    .await;
    let trap = &traps[0];
    assert_eq!((&trap["code"], &trap["count"], &trap["payload"]), (&json!("trap"), &json!(1), &json!("016f68")), "{trap}");
    device.report(PANIC).await;
    let again = uplinks(&gateway, id, "?limit=1").await[0]["data"]["error"].clone();
    assert_eq!(again["frames"], trap["frames"], "the next dead letter shows what was found out");
    println!("{trap:#}");
    gateway.stop().await;
}
