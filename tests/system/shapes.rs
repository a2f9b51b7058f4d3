//! Downlinks of object 19 go in the shape that the device takes: learned from how it reports and from its refusals (REFERENCE C.1).

use coap_lite::{CoapOption, MessageType, ResponseType};
use codecgate_tests::{Gateway, RawDevice, eventually, meter, reply, uri};
use serde_json::{Value, json};

/// 11542
const TLV: [u8; 2] = [0x2d, 0x16];

async fn ask(gateway: &Gateway, device: u64) -> Value {
    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true), "expireTime": 3_600 });
    gateway.api().post(&format!("/api/v1/devices/{device}/commands"), &body).await.expect(201)
}

async fn reaches(gateway: &Gateway, command: &Value, wanted: &str) -> Value {
    let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    eventually(&format!("the command is {wanted}"), || async {
        let now = gateway.api().get(&path).await.expect(200);
        (now["state"] == wanted).then_some(now)
    })
    .await
}

/// Awaits a downlink as TLV, answers 2.04, returns what is in it.
async fn unwrapped(device: &mut RawDevice) -> Vec<u8> {
    let request = device.next_request().await;
    let format = request.get_first_option(CoapOption::ContentFormat).cloned();
    assert_eq!((uri(&request).as_str(), format), ("19/1/0", Some(TLV.to_vec())));
    device.send(&reply(&request, ResponseType::Changed)).await;
    // A multiple resource 0 of one instance 0, both of less than 256 bytes: a length of 3 bits or of one byte each.
    let mut rest = request.payload.as_slice();
    for kind in [0x80, 0x40] {
        assert_eq!((rest[0] & 0xe0, rest[1]), (kind, 0));
        let start = if rest[0] & 0x18 == 0 { 2 } else { 3 };
        rest = &rest[start..];
    }
    rest.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_reports_in_tlv_is_written_to_in_tlv() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let frame = meter::frame(1);
    let length = u8::try_from(frame.len()).unwrap();
    let mut report = device.notify(&[], MessageType::Confirmable);
    report.clear_option(CoapOption::ContentFormat);
    report.add_option(CoapOption::ContentFormat, TLV.to_vec());
    report.payload = [&[0x88, 0, length + 3, 0x48, 0, length], frame.as_slice()].concat();
    device.exchange(&report).await;

    let command = ask(&gateway, id).await;
    let bytes = unwrapped(&mut device).await;
    device.report(&meter::answer(&bytes, 0)).await;
    reaches(&gateway, &command, "SUCCESSFUL").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_refuses_opaque_gets_the_next_command_in_tlv() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;

    let refused = ask(&gateway, id).await;
    let request = device.next_request().await;
    assert_eq!(request.get_first_option(CoapOption::ContentFormat), Some(&vec![42]));
    device.send(&reply(&request, ResponseType::UnsupportedContentFormat)).await;
    let failed = reaches(&gateway, &refused, "FAILED").await;
    assert_eq!(failed["failure"]["code"], "device-refused");
    let detail = failed["failure"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("4.15") && detail.ends_with("the next command goes as TLV to /19/1/0"), "{detail}");

    // A plain report does not make the gateway forget.
    device.report(&meter::frame(1)).await;
    let taken = ask(&gateway, id).await;
    let bytes = unwrapped(&mut device).await;
    device.report(&meter::answer(&bytes, 0)).await;
    reaches(&gateway, &taken, "SUCCESSFUL").await;
    gateway.stop().await;
}
