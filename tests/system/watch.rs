//! The watched folder: what is copied there is put to work, or explained beside the file.

use std::path::Path;

use codecgate_tests::{Gateway, component, eventually, meter, package, profile, variant};
use serde_json::{Value, json};

async fn exists(path: &Path) {
    eventually(&format!("{} is there", path.display()), || async { path.exists().then_some(()) }).await;
}

async fn active(gateway: &Gateway) -> Value {
    gateway.api().get("/api/v1/products/1/codec").await.expect(200)["activeVersion"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_to_work_or_refused_with_a_report_and_nothing_happens_twice() {
    let folder = tempfile::tempdir().unwrap();
    let watched = folder.path().join("投递");
    let watch_dir = watched.clone();
    let gateway = Gateway::with(move |config| config.codec.watch_dir = Some(watch_dir)).await;
    gateway.add_product("water-meter", json!({})).await;
    let accepted = watched.join("accepted");

    std::fs::write(watched.join("Codecgate_WM20.wasm"), variant(&component("water-meter"), 2)).unwrap();
    exists(&accepted.join("Codecgate_WM20.wasm")).await;
    assert!(!watched.join("Codecgate_WM20.wasm").exists());
    assert_eq!(active(&gateway).await, 2);
    let events = gateway.api().get("/api/v1/products/1/events").await.expect(200);
    let data = &events["items"][0]["data"];
    assert_eq!(
        (&data["who"], &data["comment"], &data["how"]),
        (&json!("watch"), &json!("Codecgate_WM20.wasm"), &json!("upload"))
    );

    // Three that cannot be taken: garbage, another product's codec, nobody's.
    std::fs::write(watched.join("1.wasm"), b"garbage").unwrap();
    std::fs::write(watched.join("Codecgate_WM20.wasm"), component("smoke-detector")).unwrap();
    std::fs::write(watched.join("Codecgate_Nobody.wasm"), component("water-meter")).unwrap();
    for (name, word) in
        [("1.wasm", "E1001"), ("Codecgate_WM20.wasm", "fix: "), ("Codecgate_Nobody.wasm", "manufacturerId_model.wasm")]
    {
        let report = watched.join(format!("{name}.refused.txt"));
        exists(&report).await;
        let text = eventually("the report is written", || async {
            Some(std::fs::read_to_string(&report).unwrap()).filter(|text| text.contains(word))
        });
        assert!(text.await.starts_with(name));
        assert!(watched.join(name).exists(), "a refused file stays");
    }
    assert_eq!(active(&gateway).await, 2);

    // Mended, it is taken, and its report goes. It is the first version again.
    std::fs::write(watched.join("1.wasm"), component("water-meter")).unwrap();
    exists(&accepted.join("1.wasm")).await;
    assert!(!watched.join("1.wasm.refused.txt").exists());
    assert_eq!(active(&gateway).await, 1);
    let versions = gateway.api().get("/api/v1/products/1/codec/versions").await.expect(200);
    assert_eq!(versions["items"].as_array().map(Vec::len), Some(2), "{versions}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_makes_its_product_and_one_that_breaks_something_waits_as_a_candidate() {
    let folder = tempfile::tempdir().unwrap();
    let watched = folder.path().to_owned();
    let gateway = Gateway::with(move |config| {
        config.codec.watch_dir = Some(watched);
        config.codec.watch_create = true;
    })
    .await;
    let accepted = folder.path().join("accepted");
    let mut profile = profile("water-meter");
    std::fs::write(folder.path().join("meter-1.codec"), package("water-meter", component("water-meter"), &profile)).unwrap();
    exists(&accepted.join("meter-1.codec")).await;
    assert_eq!(active(&gateway).await, 1);
    let properties = profile["services"][0]["properties"].as_array_mut().unwrap();
    properties.iter_mut().find(|property| property["name"] == meter::READING).unwrap()["unit"] = json!("gallon");
    std::fs::write(folder.path().join("meter-2.codec"), package("water-meter", component("water-meter"), &profile)).unwrap();
    exists(&accepted.join("meter-2.codec")).await;
    let report = std::fs::read_to_string(accepted.join("meter-2.codec.candidate.txt")).unwrap();
    assert!(
        report.contains("Meter/properties/reading") && report.contains("versions/2/activate?acceptBreaking=true"),
        "{report}"
    );
    assert_eq!(active(&gateway).await, 1);
    std::fs::write(folder.path().join("meter-3.codec"), b"PK no zip").unwrap();
    exists(&folder.path().join("meter-3.codec.refused.txt")).await;
    gateway.stop().await;
}
