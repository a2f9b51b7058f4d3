//! Codec versions of a product: delivered, promoted, taken back, kept over a restart, each switch an event with who and why.

use codecgate_tests::{Api, Gateway, RawDevice, component, meter, package, profile, variant};
use reqwest::Method;
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
    assert_eq!(paths.len(), 2, "the code, and that the component was checked: {paths:?}");
    let good: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (path, good) in paths.iter().zip(&good) {
        let mut bad = good.clone();
        let last = bad.len() - 1;
        bad[last] ^= 0x10;
        std::fs::write(path, &bad).unwrap();
    }
    gateway.restart().await;
    meter.report(&meter::frame(1)).await;
    assert_eq!(decoded_by(&gateway, device).await, 1);
    for (path, good) in paths.iter().zip(good) {
        assert!(std::fs::read(path).unwrap() == good, "{} was not replaced", path.display());
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_without_versions_is_taken_over() {
    use codecgate::model::{EndpointFormat, PowerMode, Product, ProductId, ProductKey, Timestamp, VersionLine};
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
        habits: Default::default(),
        commands: Default::default(),
        observe: Vec::new(),
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

const PACKAGE: &str = "application/vnd.codecgate.codec";

/// The sample meter with another profile, as a package.
fn packed(profile: &Value) -> Vec<u8> {
    package("water-meter", component("water-meter"), profile)
}

/// The meter's profile with a property more, which breaks nobody, and one that tells a reading in another unit, which may.
fn grown_and_changed() -> (Value, Value) {
    let mut grown = profile("water-meter");
    grown["services"][0]["properties"].as_array_mut().unwrap().push(json!({ "name": "leak", "type": "boolean" }));
    (grown, in_other_unit())
}

fn in_other_unit() -> Value {
    let mut changed = profile("water-meter");
    let properties = changed["services"][0]["properties"].as_array_mut().unwrap();
    properties.iter_mut().find(|property| property["name"] == meter::READING).unwrap()["unit"] = json!("gallon");
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_changes_with_its_codec_and_keeps_the_devices_and_a_breaking_one_needs_a_word() {
    let (gateway, product) = with_meter(|_| {}).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;
    let (grown, changed) = grown_and_changed();
    let put = async |profile: &Value, query: &str| {
        gateway.api().put(&format!("/api/v1/products/{product}/codec{query}"), packed(profile), PACKAGE).await
    };

    let pushed = put(&grown, "").await.expect(200);
    assert_eq!((&pushed["number"], &pushed["state"], &pushed["known"]), (&json!(2), &json!("active"), &json!(false)), "{pushed}");
    let added = &pushed["compatibility"]["changes"];
    assert_eq!(
        (added[0]["kind"].as_str(), &added[0]["breaking"], added.as_array().map(Vec::len)),
        (Some("added"), &json!(false), Some(1))
    );
    let vectors = pushed["checks"].as_array().unwrap().iter().find(|check| check["check"] == "vectors").unwrap();
    assert_eq!(vectors["outcome"], "passed", "{pushed}");
    let shown = gateway.api().get(&format!("/api/v1/products/{product}")).await.expect(200);
    assert!(shown["profile"].to_string().contains("leak"), "the product has the profile of its active version");
    assert_eq!(shown["deviceCount"], 1);
    assert_eq!(put(&grown, "").await.expect(200)["known"], true);

    // Refused, nothing is changed and nothing kept. As a candidate it is kept.
    let refused = put(&changed, "").await.expect(409);
    assert_eq!(refused["code"], "E4307");
    assert!(refused["hint"].as_str().unwrap().contains("acceptBreaking=true"), "{refused}");
    let mistakes = refused["mistakes"].as_array().unwrap();
    assert!(mistakes.iter().any(|mistake| mistake["pointer"].as_str().unwrap().ends_with("properties/reading")), "{refused}");
    is(&versions(&gateway, product).await, &[(2, "active"), (1, "retired")]);
    assert_eq!(std::fs::read_dir(gateway.folder().join("files")).unwrap().count(), 2, "the component and one package");
    assert_eq!(put(&changed, "?candidate=true").await.expect(200)["number"], 3);

    // The same question at the promotion.
    let version = format!("/api/v1/products/{product}/codec/versions/3");
    let shown = gateway.api().get(&version).await.expect(200);
    assert_eq!((&shown["state"], &shown["compatibility"]["breaking"]), (&json!("candidate"), &json!(true)));
    assert_eq!(post(&gateway, &format!("{version}/activate"), 409).await["code"], "E4307");
    post(&gateway, &format!("{version}/activate?acceptBreaking=true"), 200).await;
    meter.report(&meter::frame(2)).await;
    assert_eq!(decoded_by(&gateway, device).await, 3);
    // A rollback asks nobody, and brings the old profile back.
    let back = post(&gateway, &format!("/api/v1/products/{product}/codec/rollback"), 200).await;
    assert_eq!(back["activeVersion"], 2);
    assert_eq!(back["compatibility"]["breaking"], true, "{back}");
    // A bare component is for the profile that the product has now.
    let bare = push(&gateway, product, other(9), "").await;
    assert_eq!(bare["profileDigest"], pushed["profileDigest"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_2_10_a_package_finds_its_product_or_makes_it_when_asked() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let file = packed(&profile("water-meter"));
    let deliver = async |query: &str| api.ask(Method::POST, &format!("/api/v1/packages{query}"), file.clone(), PACKAGE).await;
    let refused = deliver("").await.expect(404);
    assert!(refused["hint"].as_str().unwrap().contains("create=true"), "{refused}");
    // Two at one time make one product.
    let create = "?create=true&endpointFormat=any&powerMode=drx";
    let (one, two) = tokio::join!(deliver(create), deliver(create));
    let (one, two) = (one.expect(200), two.expect(200));
    assert_eq!((&one["productId"], &one["number"]), (&two["productId"], &two["number"]));
    assert_eq!([&one["known"], &two["known"]].iter().filter(|known| ***known == json!(false)).count(), 1);
    let page = api.get("/api/v1/products").await.expect(200);
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!((&page["items"][0]["powerMode"], &page["items"][0]["codecVersion"]), (&json!("drx"), &json!(1)));
    assert_eq!(switches(&gateway, one["productId"].as_u64().unwrap()).await.len(), 1);
    let mut other = profile("water-meter");
    other["model"] = json!("Other");
    let path = format!("/api/v1/products/{}/codec", one["productId"]);
    assert_eq!(api.put(&path, packed(&other), PACKAGE).await.expect(422)["code"], "E4407");
    // All that is wrong with a package is told at once.
    let broken = deliver_broken(&api).await;
    assert!(broken["mistakes"].as_array().is_some_and(|mistakes| !mistakes.is_empty()), "{broken}");
    gateway.stop().await;
}

async fn deliver_broken(api: &Api) -> Value {
    api.ask(Method::POST, "/api/v1/packages", b"PK no zip".to_vec(), PACKAGE).await.expect(422)
}
