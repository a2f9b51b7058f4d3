//! Who is let in, and what a refused device's owner can find out (REFERENCE E.1, E.3).

use coap_lite::{CoapOption, RequestType, ResponseType};
use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter, reply};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn only_devices_of_the_store_are_let_in_and_only_under_their_name() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({ "endpointFormat": "urn-imei" })).await;
    let body = json!({ "endpoint": "867000000000001", "productId": product });
    let refusal = gateway.api().post("/api/v1/devices", &body).await;
    assert!(refusal.status.is_client_error() && refusal.text.contains("urn:imei:<15 digits>"), "{}", refusal.text);
    gateway.add_device(product, "urn:imei:867000000000001").await;

    let mut stranger = RawDevice::new(gateway.coap_addr()).await;
    assert_eq!(stranger.register("867000000000002").await.header.get_code(), "4.03");
    assert_eq!(stranger.register("867000000000001").await.header.get_code(), "4.03");
    assert_eq!(stranger.register("urn:imei:867000000000001").await.header.get_code(), "2.01");
    assert_eq!(stranger.location().len(), 2);
    stranger.observed().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn register_update_deregister() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let sink = Sink::start(Behaviour::Accept).await;
    gateway.api().post("/api/v1/subscriptions", &json!({ "url": sink.url() })).await.expect(201);
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let location: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
    let path: Vec<&str> = location.iter().map(String::as_str).collect();

    let mut update = meter.request(RequestType::Post, &path);
    update.add_option(CoapOption::UriQuery, b"lt=600".to_vec());
    assert_eq!(meter.exchange(&update).await.header.get_code(), "2.04");
    let shown = gateway.api().get(&format!("/api/v1/devices/{id}")).await.expect(200);
    assert!(shown.to_string().contains("600"), "{shown}");

    let mut bad = meter.request(RequestType::Post, &path);
    bad.add_option(CoapOption::UriQuery, b"lt=soon".to_vec());
    assert_eq!(meter.exchange(&bad).await.header.get_code(), "4.00");
    let unknown = meter.request(RequestType::Post, &["rd", "0000"]);
    assert_eq!(meter.exchange(&unknown).await.header.get_code(), "4.04");
    let leave = meter.request(RequestType::Delete, &path);
    assert_eq!(meter.exchange(&leave).await.header.get_code(), "2.02");
    let again = meter.request(RequestType::Delete, &path);
    assert_eq!(meter.exchange(&again).await.header.get_code(), "4.04");

    let told = eventually("three events in order, each with a change of state", || async {
        let events = sink.events();
        let told = events.iter().map(|event| match event["kind"].as_str() {
            Some("device-state") => format!("{} -> {}", event["data"]["from"], event["data"]["to"]).replace('"', ""),
            kind => kind.unwrap_or_default().to_owned(),
        });
        let told: Vec<_> = told.collect();
        (told.len() == 6).then_some(told)
    });
    let expected = [
        "device-registered",
        "registered -> activated",
        "device-updated",
        "activated -> online",
        "device-deregistered",
        "online -> offline",
    ];
    assert_eq!(told.await, expected);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_device_goes_offline_when_its_lifetime_ends() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "meter-1").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["device-offline"] });
    gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let location: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
    let mut update = meter.request(RequestType::Post, &location.iter().map(String::as_str).collect::<Vec<_>>());
    update.add_option(CoapOption::UriQuery, b"lt=1".to_vec());
    assert_eq!(meter.exchange(&update).await.header.get_code(), "2.04");
    eventually("device-offline is pushed", || async { (sink.events().len() == 1).then_some(()) }).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_run_in_one_process() {
    let (one, two) = tokio::join!(Gateway::start(), Gateway::start());
    for gateway in [one, two] {
        let product = gateway.add_product("smoke-detector", json!({})).await;
        gateway.add_device(product, "smoke-1").await;
        RawDevice::registered(gateway.coap_addr(), "smoke-1").await;
        gateway.stop().await;
    }
}

/// Without security whoever knows a name can register under it: that is told, and limited.
#[tokio::test(flavor = "multi_thread")]
async fn a_register_from_elsewhere_takes_the_device_over_visibly_and_not_without_limit() {
    let gateway = Gateway::with(|config| config.coap.moves_per_hour = 2).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut codes = Vec::new();
    for last in [1, 2, 3, 4, 4, 3] {
        let mut meter = RawDevice::at([127, 0, 9, last].into(), gateway.coap_addr()).await;
        codes.push(meter.register("meter-1").await.header.get_code());
    }
    assert_eq!(codes, ["2.01", "2.01", "2.01", "4.29", "4.29", "2.01"], "where it is it may register anew");
    let events = gateway.api().get(&format!("/api/v1/devices/{id}/events")).await.expect(200);
    let items = events["items"].as_array().unwrap().iter();
    let told: Vec<_> = items.filter(|event| event["kind"] == "device-moved").map(|event| &event["data"]).collect();
    let outcomes: Vec<_> = told.iter().map(|data| data["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["refused", "taken-over", "taken-over"], "newest first, one for all that were refused: {events}");
    assert!(told[0]["to"].as_str().unwrap().starts_with("127.0.9.4:") && told[0]["withinHour"] == 3, "{events}");
    gateway.stop().await;
}

/// A product says what else is observed of its devices; the values come as events.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_product_wants_observed_is_asked_for_at_every_register() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let path = format!("/api/v1/products/{product}");
    let observe = |paths: serde_json::Value| json!({ "observe": paths }).to_string().into_bytes();
    let api = gateway.api();
    let patch = |body| api.ask(reqwest::Method::PATCH, &path, body, "application/json");
    let wrong = patch(observe(json!(["/0/0", "/19/0/0"]))).await;
    assert_eq!((wrong.status.as_u16(), wrong.text.matches("E4423").count()), (422, 2), "{}", wrong.text);
    patch(observe(json!(["/3/0/7"]))).await.expect(200);
    let id = gateway.add_device(product, "meter-1").await;
    for _ in 0..2 {
        let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
        let asked = meter.next_request().await;
        let path: Vec<_> =
            asked.get_option(CoapOption::UriPath).unwrap().iter().map(|part| String::from_utf8_lossy(part)).collect();
        assert_eq!((path.join("/"), asked.get_option(CoapOption::Observe).is_some()), ("3/0/7".to_owned(), true));
        let mut value = reply(&asked, ResponseType::Content);
        value.add_option(CoapOption::Observe, vec![1]);
        value.add_option(CoapOption::ContentFormat, vec![]);
        value.payload = b"3300".to_vec();
        meter.send(&value).await;
    }
    eventually("both values are events", || async {
        let events = gateway.api().get(&format!("/api/v1/devices/{id}/events")).await.expect(200);
        let values: Vec<_> =
            events["items"].as_array().unwrap().iter().filter(|event| event["kind"] == "resources").cloned().collect();
        (values.len() == 2).then(|| assert!(values.iter().all(|event| event["data"]["values"]["/3/0/7"] == 3300), "{values:?}"))
    })
    .await;
    gateway.stop().await;
}

/// The kernel gives a device's datagrams to any of the sockets; its home takes them all the same.
#[tokio::test(flavor = "multi_thread")]
async fn several_sockets_act_as_one_server() {
    let gateway = Gateway::with(|config| config.coap.sockets = 4).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    for n in 0..12 {
        let (endpoint, own) = (format!("meter-{n}"), [127, 0, 10, n + 1].into());
        let id = gateway.add_device(product, &endpoint).await;
        let mut meter = RawDevice::at(own, gateway.coap_addr()).await;
        assert_eq!(meter.register(&endpoint).await.header.get_code(), "2.01");
        meter.observed().await;
        meter.report(&meter::frame(u32::from(n))).await;
        let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
        let command = gateway.api().post(&format!("/api/v1/devices/{id}/commands"), &body).await.expect(201);
        let bytes = meter.downlink().await;
        meter.report(&meter::answer(&bytes, 0)).await;
        let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
        eventually("the command is successful", || async {
            (gateway.api().get(&path).await.expect(200)["state"] == "SUCCESSFUL").then_some(())
        })
        .await;
        let location: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
        let leave = meter.request(RequestType::Delete, &location.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(meter.exchange(&leave).await.header.get_code(), "2.02");
    }
    gateway.stop().await;
}
