//! Many devices at once, from a table or an array: every line is told, what is right is taken, and the same list again changes nothing.

use codecgate_tests::{Answer, Gateway};
use serde_json::{Value, json};

/// Outcome and code of each line.
fn lines(report: &Answer) -> Vec<(u64, String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let line = |line: &Value| (line["line"].as_u64().unwrap(), text(&line["outcome"]).unwrap(), text(&line["code"]));
    report.json()["lines"].as_array().unwrap().iter().map(line).collect()
}

async fn import(gateway: &Gateway, table: &str, query: &str) -> Answer {
    let path = format!("/api/v1/devices/import{query}");
    gateway.api().ask(reqwest::Method::POST, &path, table.as_bytes().to_vec(), "text/csv").await
}

async fn known(gateway: &Gateway) -> Vec<Value> {
    gateway.api().get("/api/v1/devices").await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_told_line_by_line() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({ "endpointFormat": "imei" })).await;
    let table = format!(
        "endpoint,productId,name,powerMode,attributes.site\n\
         867000000000001,{product},first,drx,north\n\
         meter-2,{product},,,\n\
         867000000000003,999,,,\n\
         867000000000001,{product},again,,\n\
         867000000000005,{product},fifth,sometimes,\n\
         867000000000006,{product},sixth,psm,south\n"
    );
    let look = import(&gateway, &table, "?dryRun=true").await;
    assert_eq!((look.json()["created"].as_u64(), known(&gateway).await.len()), (Some(2), 0), "only looked: {}", look.text);
    let report = import(&gateway, &table, "").await;
    assert_eq!(lines(&report), lines(&look), "what would be done is what is done");
    let outcomes: Vec<_> = lines(&report).into_iter().map(|(line, outcome, _)| (line, outcome)).collect();
    let expected = [(2, "created"), (3, "refused"), (4, "refused"), (5, "refused"), (6, "refused"), (7, "created")];
    assert_eq!(outcomes, expected.map(|(line, outcome)| (line, outcome.to_owned())), "{}", report.text);
    let told = report.json();
    let mut refused = told["lines"].as_array().unwrap().iter().filter(|line| line["outcome"] == "refused");
    assert!(refused.all(|line| line["code"].is_string() && line["reason"].is_string() && line["fix"].is_string()));

    let devices = known(&gateway).await;
    let shown: Vec<_> =
        devices.iter().map(|device| (&device["endpoint"], &device["name"], &device["attributes"]["site"])).collect();
    let of = |name: &'static str| json!(name);
    assert_eq!(
        shown,
        [(&of("867000000000001"), &of("first"), &of("north")), (&of("867000000000006"), &of("sixth"), &of("south")),]
    );
    let again = import(&gateway, &table, "").await.json();
    assert_eq!((again["created"].as_u64(), again["existing"].as_u64()), (Some(0), Some(2)), "{again}");
    assert_eq!(known(&gateway).await.len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_none_is_refused_with_what_to_do() {
    let gateway = Gateway::start().await;
    for (table, content_type) in
        [("no such header\n1\n", "text/csv"), ("{\"endpoint\": \"x\"}", "application/json"), ("x", "text/plain")]
    {
        let path = "/api/v1/devices/import";
        let refused = gateway.api().ask(reqwest::Method::POST, path, table.as_bytes().to_vec(), content_type).await;
        assert!(refused.status.is_client_error() && refused.text.len() > 80, "{content_type}: {}", refused.text);
    }
    gateway.stop().await;
}
