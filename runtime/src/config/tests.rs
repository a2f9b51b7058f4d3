//! What the configuration takes and how it complains.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../codecgate.example.toml");

fn mistakes(toml: &str) -> Vec<Mistake> {
    match Config::parse("test.toml", toml) {
        Err(ConfigError::Invalid { mistakes, .. }) => mistakes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_document_is_the_default() {
    assert_eq!(Config::parse("test.toml", "").unwrap(), Config::default());
}

#[test]
fn the_example_says_the_defaults_and_names_every_key() {
    assert_eq!(Config::parse("codecgate.example.toml", EXAMPLE).unwrap(), Config::default());
    for key in keys::known() {
        let last = key.rsplit('.').next().unwrap();
        assert!(EXAMPLE.contains(&format!("{last} = ")), "the example does not name {key}");
    }
}

#[test]
fn every_key_changes_what_it_names() {
    let toml = r#"
        data_dir = "/var/lib/codecgate"
        workers = 3
        coap = { listen = "[::1]:0" }
        http = { listen = "127.0.0.1:0", keys = ["0123456789abcdef"], metrics_open = true }
        store = { cache_mib = 8, retention_days = 30, durability = "relaxed", queue = 16 }
        [codec]
        memory_mib = 4
        deadline_ms = 0x14
        payload_bytes = 1_000
        messages = 2
        output_bytes = 2048
        log_lines = 0
        calls_per_instance = 1
        isolation = "fresh"
        [downlink]
        ack_timeout_s = 0.25
        ack_random_factor = 1
        max_retransmit = 0
        block_bytes = 600
        [webhook]
        in_flight = 1
        connect_timeout_s = 0.5
        timeout_s = 2
        retry_min_ms = 10
        retry_max_s = 1
        breaker_failures = 2
        breaker_pause_s = 3
        [log]
        filter = "warn,codecgate::lwm2m=trace"
        format = "json"
    "#;
    let config = Config::parse("test.toml", toml).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/codecgate"));
    assert_eq!((config.workers, config.coap.listen.port(), config.http.listen.port()), (3, 0, 0));
    assert_eq!((config.http.keys.len(), config.http.metrics_open), (1, true));
    let store = config.store_config();
    assert_eq!((store.cache_mib, store.retention_days, store.durability, store.queue), (8, 30, Durability::Relaxed, 16));
    let limits = config.limits();
    assert_eq!((limits.memory_bytes, limits.deadline_ms, limits.payload_bytes), (4 << 20, 20, 1_000));
    assert_eq!((limits.messages, limits.output_bytes, limits.log_lines), (2, 2_048, 0));
    assert_eq!((limits.calls_per_instance, limits.isolation), (1, Isolation::Fresh));
    let server = config.server_config();
    assert_eq!((server.ack_timeout, server.max_retransmit), (Duration::from_millis(250), 0));
    assert_eq!(server.transfer.szx, 5, "512 bytes");
    assert!((server.ack_random_factor - 1.0).abs() < f64::EPSILON);
    assert_eq!((config.webhook.retry_min, config.webhook.breaker_failures), (Duration::from_millis(10), 2));
    assert_eq!((config.log.filter.as_str(), config.log.format), ("warn,codecgate::lwm2m=trace", LogFormat::Json));
}

#[test]
fn every_mistake_is_told_at_once_with_its_line_and_key() {
    let found = mistakes(
        "data_dir = \"\"\nworkers = 0\nhttp = 8080\n[coap]\nlisten = \"localhost\"\n[store]\nretention_days = \"7\"\n\
         durability = \"maybe\"\n[downlink]\nack_timeout_s = nan\n[log]\nfilter = \"info,x=loud\"\n",
    );
    let places: Vec<(usize, &str)> = found.iter().map(|m| (m.line, m.key.as_str())).collect();
    let expected = [
        (1, "data_dir"),
        (2, "workers"),
        (3, "http"),
        (5, "coap.listen"),
        (7, "store.retention_days"),
        (8, "store.durability"),
        (10, "downlink.ack_timeout_s"),
        (12, "log.filter"),
    ];
    assert_eq!(places, expected);
    assert_eq!(found[1].to_string(), "line 2: workers: found 0; expected a whole number from 1 to 1024");
    assert_eq!(found[5].to_string(), "line 8: store.durability: found \"maybe\"; expected \"durable\" or \"relaxed\"");
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    for (toml, key, hint) in [
        ("[coap]\nlissen = \"0.0.0.0:1\"", "coap.lissen", "`coap.listen` perhaps"),
        ("[store]\ndeadline_ms = 1", "store.deadline_ms", "`codec.deadline_ms` perhaps"),
        ("[webhooks]\ntimeout_s = 1", "webhooks", "`webhook` perhaps"),
        ("datadir = \"x\"", "datadir", "`data_dir` perhaps"),
        ("[coap]\nxylophone_tuning = 1", "coap.xylophone_tuning", "one of listen, sockets, moves_per_hour"),
    ] {
        let found = mistakes(toml);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].key.as_str(), found[0].allowed.as_str()), (key, hint));
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let found = mistakes("[http]\nkeys = [\"0123456789abcdef\"\n[coap\n");
    assert!(found.iter().any(|m| m.line >= 2), "{found:?}");
    assert!(found.iter().all(|m| !m.to_string().contains("0123456789abcdef")), "{found:?}");
    assert_eq!(mistakes("a = 1\na = 2\n")[0].line, 2);
}

#[test]
fn a_key_of_the_api_is_never_repeated() {
    let error = Config::parse("test.toml", "[http]\nkeys = [\"hunter2\", 5]\n").unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("http.keys[0]") && text.contains("a text of 7 characters") && text.contains("http.keys[1]"), "{text}");
    assert!(!text.contains("hunter2"));
    let config = Config::parse("test.toml", "[http]\nkeys = [\"hunter2hunter2hunter2\"]\n").unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn keys_that_contradict_each_other_are_told() {
    let found = mistakes("[webhook]\nretry_min_ms = 5000\nretry_max_s = 1\n");
    assert_eq!((found[0].line, found[0].key.as_str()), (3, "webhook.retry_max_s"));
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/codecgate.toml")).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/codecgate.toml cannot be read");
}

proptest! {
    #[test]
    fn no_document_panics(toml in "(\\[?[a-z_.]{0,9}\\]?( ?= ?(\"[^\"]{0,4}\"|[0-9e.+-]{0,6}|\\{|\\[))?\n){0,8}") {
        let _ = Config::parse("test.toml", &toml);
    }

    #[test]
    fn no_value_of_a_known_key_panics(key in proptest::sample::select(keys::known()), value in "[0-9e.+x_-]{1,24}|\"\\PC{0,12}\"") {
        let _ = Config::parse("test.toml", &format!("{key} = {value}"));
    }
}
