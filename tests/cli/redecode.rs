//! `redecode` against a running gateway: what it prints, and what it refuses.

use codecgate_tests::{Gateway, KEY, RawDevice, meter};
use serde_json::json;

use super::{Ran, codecgate};

async fn redecode(url: &str, line: &[&str]) -> Ran {
    let common = ["redecode", "--product", "Codecgate/WM20", "--gateway", url, "--key", KEY];
    let args: Vec<String> = common.iter().chain(line).map(|arg| (*arg).to_owned()).collect();
    tokio::task::spawn_blocking(move || codecgate(".", args)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_spans_are_decoded_again_and_counted() {
    let gateway = Gateway::start().await;
    let url = gateway.http_url();
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    device.report(&[0xff, 0x00]).await;
    device.report(&meter::frame(1)).await;

    let letters = redecode(&url, &[]).await;
    assert_eq!(letters.code, Some(0), "{letters:?}");
    assert!(letters.out.contains("of device 1: ff00"), "{}", letters.out);
    let counts = "version 1: lookedAt 1, repaired 0, changed 0, unchanged 0, failed 1, skipped 0, written 0\n";
    assert!(letters.out.ends_with(counts), "{}", letters.out);
    assert!(letters.err.contains("nothing was written"), "{}", letters.err);
    let all = redecode(&url, &["--from", "2000-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z", "--commit"]).await;
    assert!(all.out.contains("lookedAt 2") && all.out.contains("skipped 1") && all.err.is_empty(), "{all:?}");

    let vain = redecode(&url, &["--emit"]).await;
    assert_eq!((vain.code, vain.out.as_str()), (Some(2), ""), "{vain:?}");
    let unknown = redecode(&url, &["--codec-version", "9"]).await;
    assert!(unknown.code == Some(1) && unknown.err.contains("[E4205]"), "{unknown:?}");
    gateway.stop().await;
}
