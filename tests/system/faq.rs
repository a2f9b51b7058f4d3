//! The questions that users of the vendors' platforms had to ask, by their number in Huawei's FAQ "NB-IoT device
//! development": here the gateway's own answer says what the FAQ had to explain.

use codecgate_tests::{Answer, Gateway, RawDevice, meter, root};
use reqwest::Method;
use serde_json::{Value, json};

async fn upload(gateway: &Gateway, sample: &str, name: &str) -> Answer {
    let package = std::fs::read(root().join("profiles").join(sample)).unwrap();
    gateway.api().ask(Method::POST, &format!("/api/v1/products?fileName={name}"), package, "application/zip").await
}

/// Every mistake of a refused profile as one text: place, reason, fix.
fn told(refusal: &Answer) -> String {
    assert_eq!(refusal.status.as_u16(), 422, "{}", refusal.text);
    let mistakes = refusal.json()["mistakes"].as_array().cloned().unwrap_or_default();
    assert!(!mistakes.is_empty(), "{}", refusal.text);
    let member = |mistake: &Value, name: &str| mistake[name].as_str().unwrap().to_owned();
    let line = |mistake| ["file", "pointer", "reason", "fix"].map(|name| member(mistake, name)).join(" | ");
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// "The upload button cannot be pressed": wrong file name or wrong archive, told by nothing but a grey button.
#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_1_2_a_package_with_a_wrong_name_or_format_is_told_what_is_expected() {
    let gateway = Gateway::start().await;
    let misnamed = told(&upload(&gateway, "huawei/WaterMeter_Acme01_WM1.zip", "watermeter.zip").await);
    assert!(misnamed.contains("deviceType_manufacturerId_model.zip"), "{misnamed}");
    let other = told(&upload(&gateway, "huawei/WaterMeter_Acme01_WM1.zip", "WaterMeter_Acme02_WM1.zip").await);
    assert!(other.contains("Acme01") && other.contains("Acme02"), "{other}");
    let no_zip = told(&upload(&gateway, "broken/WaterMeter_Acme01_NotAZip.zip", "WaterMeter_Acme01_NotAZip.zip").await);
    assert!(no_zip.contains("zip"), "{no_zip}");
    gateway.stop().await;
}

/// "File input format is wrong": which file, where and why had to be found by the user.
#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_1_3_a_format_error_names_file_place_and_fix() {
    let gateway = Gateway::start().await;
    for (sample, expected) in [
        ("MalformedJson", ["service/Meter/profile/servicetype-capability.json", "line 46, column 6"].as_slice()),
        ("CommandsNotArray", &["/services/0/commands", "not an array", "write \"commands\": [ ... ]"]),
        ("PropertiesNotArray", &["properties", "array"]),
        ("HiddenFiles", &["profile/.DS_Store", "__MACOSX/profile/._x", "hidden file", "zip -r"]),
    ] {
        let name = format!("WaterMeter_Acme01_{sample}.zip");
        let told = told(&upload(&gateway, &format!("broken/{name}"), &name).await);
        for text in expected {
            assert!(told.contains(text), "{sample}: {text} is not in\n{told}");
        }
    }
    gateway.stop().await;
}

/// "Manufacturer ID and device model already exist".
#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_1_4_a_taken_manufacturer_and_model_are_named_and_free_again_after_a_delete() {
    let gateway = Gateway::start().await;
    let (sample, name) = ("huawei/WaterMeter_Acme01_WM1.zip", "WaterMeter_Acme01_WM1.zip");
    let first = upload(&gateway, sample, name).await.expect(201);
    let refusal = upload(&gateway, sample, name).await;
    assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (409, &json!("E4301")), "{}", refusal.text);
    assert!(refusal.text.contains("Acme01") && refusal.text.contains("WM1"), "{}", refusal.text);
    gateway.api().delete(&format!("/api/v1/products/{}", first["id"])).await.expect(204);
    upload(&gateway, sample, name).await.expect(201);
    gateway.stop().await;
}

/// "The product is locked and cannot be edited": because it has registered devices.
#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_1_6_a_locked_product_says_how_many_devices_lock_it() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let devices = [gateway.add_device(product, "meter-1").await, gateway.add_device(product, "meter-2").await];
    let path = format!("/api/v1/products/{product}");
    let refusal = gateway.api().delete(&path).await;
    assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (409, &json!("E4303")), "{}", refusal.text);
    let detail = refusal.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("2 devices") && detail.contains("delete them first"), "{detail}");
    for device in devices {
        assert_eq!(gateway.api().delete(&path).await.status.as_u16(), 409);
        gateway.api().delete(&format!("/api/v1/devices/{device}")).await.expect(204);
    }
    gateway.api().delete(&path).await.expect(204);
    gateway.stop().await;
}

/// "The simulator sends the command, the API fails": 12 was sent by one and "12" by the other, and only the history showed it.
#[tokio::test(flavor = "multi_thread")]
async fn faq_4_2_1_4_a_number_written_as_text_means_the_number_and_other_text_is_refused_at_once() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "meter-1").await;
    let path = format!("/api/v1/devices/{device}/commands");
    let body = |minutes: Value| json!({ "service": meter::PERIOD.0, "name": meter::PERIOD.1, "params": { "minutes": minutes } });
    let strict = gateway.api().post(&path, &body(json!("12"))).await;
    assert!(
        told(&strict).contains("write \"minutes\": 12,"),
        "without the switch the refusal shows what to write: {}",
        strict.text
    );
    gateway.api().patch(&format!("/api/v1/products/{product}"), &json!({ "coerceParams": true })).await.expect(200);
    for minutes in [json!(12), json!("12")] {
        let accepted = gateway.api().post(&path, &body(minutes.clone())).await.expect(201);
        assert_eq!(accepted["params"]["minutes"], minutes, "the history shows what was asked");
    }
    for (minutes, expected) in [
        (json!("twelve"), ["/params/minutes", "does not fit type int", "a whole number"].as_slice()),
        (json!(12.5), &["/params/minutes", "does not fit type int"]),
        (json!("1441"), &["/params/minutes", "1441", "1440"]),
    ] {
        let refusal = gateway.api().post(&path, &body(minutes)).await;
        assert_eq!(refusal.json()["code"], "E4404", "{}", refusal.text);
        let told = told(&refusal);
        assert!(expected.iter().all(|text| told.contains(text)), "{told}");
    }
    let listed = gateway.api().get(&path).await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "what is refused is not stored");

    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    for _ in 0..2 {
        // plugins/water-meter/README.md: id, version, mid, length, minutes, CRC.
        let bytes = meter.downlink().await;
        assert_eq!((bytes[0], &bytes[5..7]), (0x82, [0, 12].as_slice()), "{}", hex::encode(&bytes));
        meter.report(&meter::answer(&bytes, 0)).await;
    }
    gateway.stop().await;
}
