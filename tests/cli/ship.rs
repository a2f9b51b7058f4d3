//! `plugin push`, `promote`, `rollback` and `versions` against a running gateway, as a CI job types them.

use codecgate_tests::{Gateway, KEY, RawDevice, component, eventually, variant};
use serde_json::{Value, json};

use super::{Ran, codecgate};

/// Runs the program beside the gateway of this process.
async fn plugin(url: &str, key: &str, line: &[&str]) -> Ran {
    let args: Vec<String> =
        ["plugin"].iter().chain(line).chain(&["--gateway", url, "--key", key]).map(|arg| (*arg).to_owned()).collect();
    tokio::task::spawn_blocking(move || codecgate(".", args)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_is_pushed_promoted_listed_and_taken_back() {
    let gateway = Gateway::start().await;
    let url = gateway.http_url();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("水表 2.wasm");
    std::fs::write(&file, variant(&component("water-meter"), 2)).unwrap();
    let file = file.to_str().unwrap();

    // From its folder: built and packed, for the product that its profile names. The gateway is empty.
    let ran = plugin(&url, KEY, &["push", "plugins/water-meter"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("there is no product Codecgate/WM20") && ran.err.contains("create=true"), "{}", ran.err);
    let ran = plugin(&url, KEY, &["push", "plugins/water-meter", "--create"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("version 1 of product 1 is active: water-meter"), "{}", ran.out);
    assert!(ran.err.contains("passed  vectors"), "every check is told: {}", ran.err);
    let again = plugin(&url, KEY, &["push", "plugins/water-meter"]).await;
    assert!(again.out.starts_with("version 1 ") && again.out.contains("there already"), "{again:?}");

    let nameless = plugin(&url, KEY, &["push", file]).await;
    assert_eq!((nameless.code, nameless.out.as_str()), (Some(2), ""), "{nameless:?}");
    assert!(nameless.err.contains("--product"), "{}", nameless.err);
    let ran = plugin(&url, KEY, &["push", file, "--product", "Codecgate/WM20", "--candidate", "--comment", "第二版"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("version 2 of product 1 is candidate"), "{}", ran.out);

    let ran = plugin(&url, KEY, &["promote", "2", "--product", "1"]).await;
    assert_eq!(ran.out, "version 2 is at work, in place of version 1\n", "{ran:?}");
    let again = plugin(&url, KEY, &["promote", "2", "--product", "1"]).await;
    assert_eq!((again.code, again.out.as_str()), (Some(0), "version 2 is at work already\n"), "{again:?}");
    let ran = plugin(&url, KEY, &["rollback", "--product", "Codecgate/WM20"]).await;
    assert_eq!(ran.out, "version 1 is at work, in place of version 2\n", "{ran:?}");

    let ran = plugin(&url, KEY, &["versions", "--product", "Codecgate/WM20"]).await;
    let lines: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.iter().map(|line| line[..2].join(" ")).collect::<Vec<_>>(), ["VERSION STATE", "2 retired", "1 active"]);
    assert!(ran.out.contains("第二版") && ran.out.contains("key:"), "{}", ran.out);
    let ran = plugin(&url, KEY, &["versions", "--product", "1", "--json"]).await;
    let items: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&items[0]["number"], &items[1]["state"]), (&json!(2), &json!("active")));
    gateway.stop().await;
}

/// No crate and no compiler: a folder with a layout is a product that speaks with its devices, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn a_layout_is_pushed_and_speaks_with_a_device() {
    let gateway = Gateway::start().await;
    let ran = plugin(&gateway.http_url(), KEY, &["push", "plugins/layouts/street-light", "--create"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("version 1 of product 1 is active: street-light 1.0.0"), "{}", ran.out);
    let device = gateway.add_device(1, "lamp-1").await;
    let api = gateway.api();
    let order = json!({ "service": "Light", "name": "SET_LED", "params": { "led": "ON" }, "expireTime": 3_600 });
    let command = api.post(&format!("/api/v1/devices/{device}/commands"), &order).await.expect(201);

    let mut lamp = RawDevice::registered(gateway.coap_addr(), "lamp-1").await;
    lamp.report(&[2, 0x01, 0x2C]).await;
    let listed = api.get(&format!("/api/v1/devices/{device}/uplinks")).await.expect(200);
    assert_eq!(listed["items"][0]["outcome"], "decoded", "{listed}");
    assert!(listed.to_string().contains("\"intensity\":300"), "{listed}");
    let bytes = lamp.downlink().await;
    assert_eq!((bytes[0], &bytes[3..]), (3, &b"ON "[..]), "{bytes:?}");
    lamp.report(&[&[4], &bytes[1..3], &[0], b"ON "].concat()).await;
    let ended = eventually("the command succeeds", || async {
        let now = api.get(&format!("/api/v1/commands/{}", command["id"].as_str().unwrap())).await.expect(200);
        (now["state"] == "SUCCESSFUL").then_some(now)
    })
    .await;
    assert!(ended.to_string().contains("\"state\":\"ON\""), "{ended}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_2_9_what_goes_wrong_with_a_delivery_is_told_so_that_it_can_be_mended() {
    let gateway = Gateway::start().await;
    let url = gateway.http_url();
    gateway.add_product("water-meter", json!({})).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{nobody}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smoke.wasm");
    std::fs::write(&file, component("smoke-detector")).unwrap();
    let push = ["push", file.to_str().unwrap(), "--product", "1"];
    let folder = ["push", "plugins/smoke-detector", "--product", "1"];
    let versions = ["versions", "--product", "1"];
    for (url, key, line, code, words) in [
        (nobody.as_str(), KEY, &versions[..], 1, &["cannot be reached", "because: ", "hint: is it running"][..]),
        (&url, "not-the-key-0123456789", &versions, 1, &["[E4102]", "none of the gateway's", "hint: "]),
        ("nowhere", KEY, &versions, 2, &["no address of a gateway", "http://HOST:PORT"]),
        (&url, " ", &versions, 2, &["needs a key", "CODECGATE_KEY"]),
        (&url, KEY, &["versions", "--product", "7"], 1, &["[E4201]", "there is no product 7"]),
        (&url, KEY, &["versions", "--product", "Codecgate/Nothing"], 1, &["no product Codecgate/Nothing"]),
        (&url, KEY, &["promote", "9", "--product", "1"], 1, &["[E4205]", "no codec version 9"]),
        (&url, KEY, &["rollback", "--product", "1"], 1, &["[E4308]", "no earlier codec version"]),
        // Every mistake, with its place and its fix.
        (&url, KEY, &push, 1, &["[E4403]", "codec#/services/0", "fix: ", "mistakes)"]),
        (&url, KEY, &folder, 1, &["[E4407]", "made for Codecgate/SD1", "hint: "]),
        (&url, KEY, &["push", "README.md", "--product", "1"], 1, &["[E1001]", "no WebAssembly"]),
        (&url, KEY, &["push", "nothing.wasm", "--product", "1"], 2, &["cannot read nothing.wasm"]),
    ] {
        let ran = plugin(url, key, line).await;
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{line:?}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{line:?}: `{word}` is not in\n{}", ran.err);
        }
        assert!(!ran.err.contains(KEY) && !ran.err.contains("not-the-key"), "a key is not told: {}", ran.err);
    }
    gateway.stop().await;
}
