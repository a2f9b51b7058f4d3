//! `device trace` against a running gateway.

use codecgate_tests::{Binary, RawDevice};

use super::store::ANY;
use super::{PROGRAM, codecgate};

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_refused_device_reads_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let binary = Binary::start(PROGRAM, &data, ANY);
    let key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let base = binary.api().base().to_owned();
    let trace = |rest: &[&str]| {
        let args = ["device", "trace", "meter/9", "--gateway", &base, "--key", key.trim()];
        codecgate(".", args.iter().chain(rest))
    };
    let begun = trace(&[]);
    assert_eq!((begun.code, begun.out.as_str()), (Some(0), ""), "{begun:?}");
    assert!(begun.err.contains("meter/9 is traced until") && begun.err.contains("no device of this gateway"), "{begun:?}");
    let mut device = RawDevice::new(binary.coap_addr()).await;
    assert_eq!(device.register("meter/9").await.header.get_code(), "4.03");
    let told = trace(&[]);
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines.len(), 3, "{told:?}");
    assert!(lines[1].contains("registration") && lines[1].contains("failed") && lines[1].contains("-> operator"), "{told:?}");
    assert!(trace(&["--lang", "zh"]).out.contains("设备注册"));
    assert!(trace(&["--json"]).out.lines().all(|line| line.starts_with(r#"{"seq":"#)));
    assert_eq!(trace(&["--off"]).code, Some(0));
    let gone = trace(&["--off"]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.err.contains("E4206"), "{gone:?}");
    assert!(binary.end("TERM").success());
}
