//! What clients wrap payloads in is taken off before the codec sees them, and values of other resources become events by path.

use std::collections::LinkedList;

use coap_lite::{CoapOption, MessageType, Packet, RequestType};
use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::json;

fn in_format(mut message: Packet, format: u16, payload: Vec<u8>) -> Packet {
    message.set_option(CoapOption::ContentFormat, LinkedList::from([format.to_be_bytes().to_vec()]));
    message.payload = payload;
    message
}

/// Two frames as two instances of the multiple resource Data, in TLV, as clients send them that follow the object's definition.
#[tokio::test(flavor = "multi_thread")]
async fn frames_in_tlv_are_decoded_one_by_one() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "wrapped-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "wrapped-1").await;
    let instances: Vec<u8> = (0_u8..2)
        .flat_map(|id| {
            let frame = meter::frame(1_000 + u32::from(id));
            [&[0x48, id, u8::try_from(frame.len()).unwrap()], frame.as_slice()].concat()
        })
        .collect();
    let payload = [&[0x88, 0, u8::try_from(instances.len()).unwrap()], instances.as_slice()].concat();
    let notify = in_format(meter.notify(&[], MessageType::Confirmable), 11_542, payload);
    let answer = meter.exchange(&notify).await;
    assert_eq!(answer.header.get_type(), MessageType::Acknowledgement);

    let page = gateway.api().get(&format!("/api/v1/devices/{device}/uplinks")).await.expect(200);
    let items = page["items"].as_array().cloned().unwrap();
    let frames: Vec<String> = items.iter().map(|uplink| uplink["raw"].as_str().unwrap().to_uppercase()).collect();
    assert_eq!(frames, [1_001, 1_000].map(|litres| hex::encode_upper(meter::frame(litres))), "newest first");
    assert!(items.iter().all(|uplink| uplink["outcome"] == "decoded"), "{items:?}");

    // What is not as it says goes to the codec as it is, and its word on it is kept.
    let notify = in_format(meter.notify(&[], MessageType::Confirmable), 112, vec![0x81]);
    meter.exchange(&notify).await;
    let sums = gateway.api().get("/healthz").await.expect(200)["uplinks"].clone();
    assert_eq!((&sums["received"], &sums["decoded"], &sums["deadLetters"]), (&json!(3), &json!(2), &json!(1)), "{sums}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_becomes_an_event_of_values_by_path() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "sender-1").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let subscription = json!({ "url": sink.url(), "kinds": ["resources"], "secret": "a-secret-of-the-test" });
    gateway.api().post("/api/v1/subscriptions", &subscription).await.expect(201);
    // Send came with 1.1.
    let mut sender = RawDevice::new(gateway.coap_addr()).await;
    let mut register = sender.request(RequestType::Post, &["rd"]);
    for query in ["ep=sender-1", "lwm2m=1.1", "lt=86400", "b=U"] {
        register.add_option(CoapOption::UriQuery, query.into());
    }
    register.payload = b"</3/0>,</3303/0>".to_vec();
    assert_eq!(sender.exchange(&register).await.header.get_code(), "2.01");
    let payload = br#"[{"bn":"/3303/0/","n":"5700","v":21.5},{"bn":"/3/0/","n":"9","v":98}]"#.to_vec();
    let send = in_format(sender.request(RequestType::Post, &["dp"]), 110, payload);
    let answer = sender.exchange(&send).await;
    assert_eq!(answer.header.get_code(), "2.04");

    let event = eventually("the values are pushed", || async { sink.events().first().cloned() }).await;
    assert_eq!((&event["kind"], &event["data"]["how"]), (&json!("resources"), &json!("sent")), "{event}");
    assert_eq!(event["data"]["values"], json!({ "/3303/0/5700": 21.5, "/3/0/9": 98 }), "{event}");
    assert_eq!(event["data"]["names"]["/3303/0/5700"], "Temperature / Sensor Value", "{event}");
    gateway.stop().await;
}
