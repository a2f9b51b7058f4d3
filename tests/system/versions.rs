//! Codec versions of a product: delivered, promoted, taken back, kept over a restart, each switch an event with who and why.

use codecgate::catalog::{Aim, Breaking, CatalogError, Content, Missing, Novelty, Order, Push};
use codecgate::model::{Actor, EndpointFormat, PowerMode, ProductId, Timestamp, VersionState};
use codecgate::profile::{ChangeKind, Profile};
use codecgate_tests::{Gateway, RawDevice, component, meter, profile, variant};
use serde_json::{Value, json};

/// A gateway with a product whose version 1 is the sample meter.
async fn with_meter(change: impl FnOnce(&mut codecgate::config::Config)) -> (Gateway, u64) {
    let gateway = Gateway::with(change).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    (gateway, product)
}

/// The sample meter under another digest.
fn other(number: u32) -> Vec<u8> {
    variant(&component("water-meter"), number)
}

async fn push(gateway: &Gateway, product: u64, component: Vec<u8>, query: &str) -> Value {
    let path = format!("/api/v1/products/{product}/codec{query}");
    gateway.api().put(&path, component, "application/wasm").await.expect(200)
}

async fn post(gateway: &Gateway, path: &str, status: u16) -> Value {
    gateway.api().post(path, &Value::Null).await.expect(status)
}

/// Number and state of every version, newest first.
async fn versions(gateway: &Gateway, product: u64) -> Vec<(u64, String)> {
    let page = gateway.api().get(&format!("/api/v1/products/{product}/codec/versions")).await.expect(200);
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| (item["number"].as_u64().unwrap(), item["state"].as_str().unwrap().to_owned())).collect()
}

fn is(versions: &[(u64, String)], wanted: &[(u64, &str)]) {
    let versions: Vec<(u64, &str)> = versions.iter().map(|(number, state)| (*number, state.as_str())).collect();
    assert_eq!(versions, wanted);
}

/// What the switches tell: from, to, how, comment, oldest first.
async fn switches(gateway: &Gateway, product: u64) -> Vec<(Value, Value, String, Value)> {
    let page = gateway.api().get(&format!("/api/v1/products/{product}/events")).await.expect(200);
    let events = page["items"].as_array().unwrap().iter().rev();
    let told = |event: &Value| {
        assert_eq!(event["kind"], "codec-switched");
        assert!(event["data"]["who"].as_str().unwrap().starts_with("key:"), "{event}");
        assert!(event.get("deviceId").is_none(), "{event}");
        let data = &event["data"];
        let how = data["how"].as_str().unwrap().to_owned();
        (data["from"]["version"].clone(), data["to"]["version"].clone(), how, data["comment"].clone())
    };
    events.map(told).collect()
}

/// The number of the version that decoded the device's newest uplink.
async fn decoded_by(gateway: &Gateway, device: u64) -> Value {
    let page = gateway.api().get(&format!("/api/v1/devices/{device}/uplinks?limit=1")).await.expect(200);
    let uplink = &page["items"][0];
    assert_eq!(uplink["outcome"], "decoded", "{uplink}");
    uplink["data"]["version"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_promoted_and_taken_back_and_a_restart_keeps_what_is_at_work() {
    let (mut gateway, product) = with_meter(|_| {}).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;
    assert_eq!(decoded_by(&gateway, device).await, 1);

    let candidate = push(&gateway, product, other(2), "?candidate=true&comment=faster").await;
    assert_eq!(
        (&candidate["number"], &candidate["state"], &candidate["comment"]),
        (&json!(2), &json!("candidate"), &json!("faster"))
    );
    meter.report(&meter::frame(2)).await;
    assert_eq!(decoded_by(&gateway, device).await, 1, "a candidate decodes nothing");

    let base = format!("/api/v1/products/{product}/codec");
    let promoted = post(&gateway, &format!("{base}/versions/2/activate?comment=looks%20good"), 200).await;
    assert_eq!((&promoted["activeVersion"], &promoted["replaced"], &promoted["changed"]), (&json!(2), &json!(1), &json!(true)));
    meter.report(&meter::frame(3)).await;
    assert_eq!(decoded_by(&gateway, device).await, 2);
    is(&versions(&gateway, product).await, &[(2, "active"), (1, "retired")]);

    push(&gateway, product, other(3), "").await;
    let taken_back = post(&gateway, &format!("{base}/rollback?comment=oops"), 200).await;
    assert_eq!(taken_back["activeVersion"], 2);
    let shown = gateway.api().get(&base).await.expect(200);
    assert_eq!((&shown["activeVersion"], &shown["rollbackVersion"]), (&json!(2), &json!(1)));

    gateway.restart().await;
    meter.report(&meter::frame(4)).await;
    assert_eq!(decoded_by(&gateway, device).await, 2);
    is(&versions(&gateway, product).await, &[(3, "retired"), (2, "active"), (1, "retired")]);
    post(&gateway, &format!("{base}/rollback"), 200).await;
    let nothing = post(&gateway, &format!("{base}/rollback"), 409).await;
    assert_eq!(nothing["code"], "E4308");
    let told = switches(&gateway, product).await;
    let wanted = [
        (Value::Null, json!(1), "upload", Value::Null),
        (json!(1), json!(2), "promote", json!("looks good")),
        (json!(2), json!(3), "upload", Value::Null),
        (json!(3), json!(2), "rollback", json!("oops")),
        (json!(2), json!(1), "rollback", Value::Null),
    ];
    assert_eq!(told, wanted.map(|(from, to, how, comment)| (from, to, how.to_owned(), comment)));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_one_version_however_often_it_comes() {
    let (gateway, product) = with_meter(|_| {}).await;
    let again = push(&gateway, product, component("water-meter"), "").await;
    assert_eq!((&again["number"], &again["known"], &again["state"]), (&json!(1), &json!(true), &json!("active")));
    assert_eq!(again["replaced"], Value::Null);
    let pushes = (0..8).map(|_| push(&gateway, product, other(2), "?candidate=true"));
    let told = futures_util::future::join_all(pushes).await;
    assert_eq!(told.iter().filter(|told| told["known"] == false).count(), 1, "{told:?}");
    assert!(told.iter().all(|told| told["number"] == 2));
    // Delivered again without the flag, the candidate is put to work.
    let active = push(&gateway, product, other(2), "").await;
    assert_eq!((&active["number"], &active["known"], &active["replaced"]), (&json!(2), &json!(true), &json!(1)));
    is(&versions(&gateway, product).await, &[(2, "active"), (1, "retired")]);
    assert_eq!(switches(&gateway, product).await.len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_with_their_files_unless_another_product_needs_them() {
    let (gateway, product) = with_meter(|config| config.codec.keep_versions = 2).await;
    let files = |gateway: &Gateway| std::fs::read_dir(gateway.folder().join("files")).unwrap().count();
    let mut twin = profile("water-meter");
    twin["model"] = json!("Twin");
    let twin = gateway.api().post("/api/v1/products", &json!({ "profile": twin })).await.expect(201)["id"].as_u64().unwrap();
    push(&gateway, twin, component("water-meter"), "").await;
    for number in 2..=5 {
        push(&gateway, product, other(number), "").await;
    }
    is(&versions(&gateway, product).await, &[(5, "active"), (4, "retired"), (3, "retired")]);
    assert_eq!(files(&gateway), 4, "3, 4, 5 and the twin's");
    for number in 6..=9 {
        push(&gateway, product, other(number), "?candidate=true").await;
    }
    let kept = [(9, "candidate"), (8, "candidate"), (5, "active"), (4, "retired"), (3, "retired")];
    is(&versions(&gateway, product).await, &kept);
    assert_eq!(files(&gateway), 6);
    let gone = post(&gateway, &format!("/api/v1/products/{product}/codec/versions/1/activate"), 404).await;
    assert_eq!(gone["code"], "E4205");
    gateway.api().delete(&format!("/api/v1/products/{product}")).await.expect(204);
    assert_eq!(files(&gateway), 1, "the twin's");
    // A refused one leaves nothing behind.
    let refused =
        gateway.api().put(&format!("/api/v1/products/{twin}/codec"), component("smoke-detector"), "application/wasm").await;
    assert_eq!(refused.expect(422)["code"], "E4403");
    assert_eq!(files(&gateway), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_the_compiled_code_is_noticed_and_the_codec_compiled_again() {
    let (mut gateway, product) = with_meter(|_| {}).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let compiled = |gateway: &Gateway| {
        let files = std::fs::read_dir(gateway.folder().join("compiled")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|ending| ending == "compiled")).collect::<Vec<_>>()
    };
    let paths = compiled(&gateway);
    assert_eq!(paths.len(), 1, "{paths:?}");
    let good = std::fs::read(&paths[0]).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x10;
    std::fs::write(&paths[0], &bad).unwrap();
    gateway.restart().await;
    meter.report(&meter::frame(1)).await;
    assert_eq!(decoded_by(&gateway, device).await, 1);
    assert_ne!(std::fs::read(&paths[0]).unwrap(), bad, "it was replaced");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_without_versions_is_taken_over() {
    use codecgate::model::{Product, ProductKey, VersionLine};
    use codecgate::store::{CodecRecord, Commit, Expect, Write};

    let mut gateway = Gateway::start().await;
    let store = gateway.parts().store.clone();
    let digests = [other(1), component("water-meter"), other(2)].map(|bytes| store.put_file(&bytes).unwrap());
    let product = Product {
        id: ProductId(1),
        key: ProductKey { manufacturer_id: "Acme01".to_owned(), model: "WM20".to_owned() },
        device_type: "WaterMeter".to_owned(),
        profile: profile("water-meter").to_string(),
        endpoint_format: EndpointFormat::Any,
        power_mode: PowerMode::Psm,
        codec: Some(digests[1].clone()),
        versions: VersionLine::default(),
        created: Timestamp(1),
    };
    let mut writes = vec![Write::PutProduct(product, Expect::Absent)];
    for (at, digest) in (1..).zip(&digests) {
        let (digest, name, version) = (digest.clone(), "water-meter".to_owned(), format!("0.{at}.0"));
        writes.push(Write::PutCodec(CodecRecord {
            digest,
            product: ProductId(1),
            name,
            version,
            size: 1,
            uploaded: Timestamp(at),
        }));
    }
    store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
    drop(store);
    gateway.restart().await;
    // In the order of their upload, the one at work last.
    is(&versions(&gateway, 1).await, &[(3, "active"), (2, "retired"), (1, "retired")]);
    let shown = gateway.api().get("/api/v1/products/1").await.expect(200);
    assert_eq!((&shown["codec"], &shown["codecVersion"]), (&json!(digests[1]), &json!(3)));
    let device = gateway.add_device(1, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;
    assert_eq!(decoded_by(&gateway, device).await, 3);
    post(&gateway, "/api/v1/products/1/codec/rollback", 200).await;
    meter.report(&meter::frame(2)).await;
    assert_eq!(decoded_by(&gateway, device).await, 2);
    gateway.restart().await;
    assert_eq!(gateway.api().get("/api/v1/products/1").await.expect(200)["codecVersion"], 2, "taken over once");
    gateway.stop().await;
}

/// A unit of component and profile, as a package brings it.
fn unit(profile: &Value, aim: Aim, breaking: Breaking) -> Push {
    let profile = Profile::parse("profile.json", &profile.to_string()).unwrap();
    let content = Content::Unit { component: component("water-meter"), profile, parcel: None };
    Push { content, aim, order: Order { by: Actor::Policy, comment: None, breaking } }
}

/// The meter's profile with a property more, which breaks nobody, and one with a parameter that refuses more, which may.
fn grown_and_narrowed() -> (Value, Value) {
    let mut grown = profile("water-meter");
    grown["services"][0]["properties"].as_array_mut().unwrap().push(json!({ "name": "leak", "type": "boolean" }));
    let mut narrowed = profile("water-meter");
    let commands = narrowed["services"][0]["commands"].as_array_mut().unwrap();
    let period = commands.iter_mut().find(|command| command["name"] == "SET_REPORT_PERIOD").unwrap();
    period["params"][0]["max"] = json!(30);
    period["params"][0]["min"] = json!(10);
    (grown, narrowed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_with_its_codec_and_keeps_the_devices_and_a_breaking_one_needs_a_word() {
    let (gateway, product) = with_meter(|_| {}).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;
    let catalog = gateway.parts().catalog.clone();
    let (id, now) = (ProductId(u32::try_from(product).unwrap()), Timestamp(1));
    let (grown, narrowed) = grown_and_narrowed();

    let pushed = catalog.push(id, unit(&grown, Aim::Active, Breaking::Refuse), now).await.unwrap();
    assert_eq!((pushed.version.number.0, pushed.state), (2, VersionState::Active));
    let added: Vec<_> = pushed.compatibility.changes.iter().map(|change| (change.kind, change.breaking)).collect();
    assert_eq!(added, [(ChangeKind::Added, false)]);
    let shown = gateway.api().get(&format!("/api/v1/products/{product}")).await.expect(200);
    assert!(shown["profile"].to_string().contains("leak"), "the product has the profile of its active version");
    assert_eq!(shown["deviceCount"], 1);

    // Refused: nothing is changed, nothing kept. Held: a candidate.
    let refused = catalog.push(id, unit(&narrowed, Aim::Active, Breaking::Refuse), now).await;
    let Err(CatalogError::Breaking(report)) = refused else { panic!() };
    assert!(report.breaks().any(|change| change.place.ends_with("SET_REPORT_PERIOD/params/minutes")), "{report:?}");
    is(&versions(&gateway, product).await, &[(2, "active"), (1, "retired")]);
    let held = catalog.push(id, unit(&narrowed, Aim::Active, Breaking::Hold), now).await.unwrap();
    assert_eq!((held.version.number.0, held.state, held.replaced), (3, VersionState::Candidate, None));

    // The same question at the promotion.
    let version = format!("/api/v1/products/{product}/codec/versions/3");
    let shown = gateway.api().get(&version).await.expect(200);
    assert_eq!((&shown["state"], &shown["compatibility"]["breaking"]), (&json!("candidate"), &json!(true)));
    let refused = post(&gateway, &format!("{version}/activate"), 409).await;
    assert_eq!(refused["code"], "E4307");
    assert!(refused["hint"].as_str().unwrap().contains("acceptBreaking=true"), "{refused}");
    let mistakes = refused["mistakes"].as_array().unwrap();
    assert!(mistakes.iter().any(|mistake| mistake["pointer"].as_str().unwrap().ends_with("params/minutes")), "{refused}");
    post(&gateway, &format!("{version}/activate?acceptBreaking=true"), 200).await;
    meter.report(&meter::frame(2)).await;
    assert_eq!(decoded_by(&gateway, device).await, 3);
    let period =
        |minutes: u64| json!({ "service": meter::PERIOD.0, "name": meter::PERIOD.1, "params": { meter::PERIOD.2: minutes } });
    let commands = format!("/api/v1/devices/{device}/commands");
    gateway.api().post(&commands, &period(60)).await.expect(422);
    // A rollback asks nobody, and brings the old profile back.
    let back = post(&gateway, &format!("/api/v1/products/{product}/codec/rollback"), 200).await;
    assert_eq!(back["activeVersion"], 2);
    assert!(back["compatibility"]["changes"].to_string().contains("widened"), "{back}");
    gateway.api().post(&commands, &period(60)).await.expect(201);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_finds_its_product_by_name_or_makes_it_when_asked() {
    let gateway = Gateway::start().await;
    let catalog = gateway.parts().catalog.clone();
    let meter = profile("water-meter");
    let push = || unit(&meter, Aim::Active, Breaking::Refuse);
    let refused = catalog.deliver(push(), Missing::Refuse, Timestamp(1)).await;
    assert!(matches!(refused, Err(CatalogError::NoSuchKey(_))));
    let create = Missing::Create { endpoint_format: EndpointFormat::Any, power_mode: PowerMode::Drx };
    // Two at one time make one product.
    let (one, two) = tokio::join!(catalog.deliver(push(), create, Timestamp(1)), catalog.deliver(push(), create, Timestamp(1)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.version.product, one.version.number.0), (two.version.product, two.version.number.0));
    assert_eq!([one.novelty, two.novelty].iter().filter(|novelty| **novelty == Novelty::New).count(), 1);
    let page = gateway.api().get("/api/v1/products").await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!((&page["items"][0]["powerMode"], &page["items"][0]["codecVersion"]), (&json!("drx"), &json!(1)));
    let mut other = meter.clone();
    other["model"] = json!("Other");
    let refused = catalog.push(one.version.product, unit(&other, Aim::Active, Breaking::Accept), Timestamp(1)).await;
    assert!(matches!(refused, Err(CatalogError::OtherProduct { .. })));
    gateway.stop().await;
}
