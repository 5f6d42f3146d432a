//! Lines compared with the specification of the format.

use super::*;
use crate::emf::table::SLOW_S;

const FACTS: RoleFacts = RoleFacts { is_ready: true, shards: 2 };
const NOW_MS: u64 = 1_790_000_000_000;

/// The text of `/metrics` of an ingest process.
const INGEST: &str = r#"# TYPE sluice_http_requests_total counter
sluice_http_requests_total{route="produce",status="2xx"} 118
sluice_http_requests_total{route="produce",status="5xx"} 2
sluice_http_requests_total{route="inbox",status="5xx"} 9
sluice_ingest_accepted_total 4000
sluice_ingest_body_bytes_total 123456
sluice_ingest_accept_seconds_bucket{le="0.001"} 60
sluice_ingest_accept_seconds_bucket{le="0.0025"} 100
sluice_ingest_accept_seconds_bucket{le="+Inf"} 100
sluice_ingest_accept_seconds_sum 0.1
sluice_ingest_accept_seconds_count 100
sluice_ingest_lane_bytes 512
sluice_dependency_lost{dependency="kinesis"} 0
sluice_dependency_lost{dependency="redis"} 1
sluice_dependency_denied{dependency="redis"} 0
"#;

/// The text of `/metrics` of a processor.
const PROCESSOR: &str = r#"sluice_processor_events_total{result="matched"} 10
sluice_processor_events_total{result="unmatched"} 5
sluice_processor_receipt_seconds_bucket{le="2.5"} 90
sluice_processor_receipt_seconds_bucket{le="5"} 92
sluice_processor_receipt_seconds_bucket{le="10"} 99
sluice_processor_receipt_seconds_bucket{le="+Inf"} 100
sluice_processor_posts_total{class="2xx"} 7
sluice_processor_posts_total{class="5xx"} 2
sluice_processor_posts_total{class="timeout"} 1
sluice_processor_lag_seconds{shard="0"} 0.25
sluice_processor_lag_seconds{shard="1"} 12.5
sluice_processor_unsettled_events{shard="0"} 3
sluice_processor_unsettled_events{shard="1"} 4
sluice_queue_depth{queue="deliveries"} 40
sluice_queue_depth{queue="dead_letters"} 3
sluice_store_refused_total{kind="row"} 1
sluice_processor_log_damage_total 2
"#;

fn lines(role: EmfRole) -> EmfLines {
    EmfLines::new("Sluice/test".to_owned(), role)
}

/// Checks a line by the schema and the text of the specification: required members, types,
/// targets on the root, limits.
fn check(line: &str) -> Map<String, Value> {
    const UNITS: [&str; 6] = ["Count", "Bytes", "Seconds", "Milliseconds", "Percent", "None"];
    assert!(line.len() < 256 << 10 && !line.contains('\n'), "one event of CloudWatch Logs");
    let Ok(Value::Object(root)) = serde_json::from_str::<Value>(line) else { panic!("no object: {line}") };
    let metadata = root["_aws"].as_object().expect("the metadata is an object");
    assert!(metadata["Timestamp"].is_u64(), "whole milliseconds");
    let directives = metadata["CloudWatchMetrics"].as_array().expect("directives are an array");
    assert_eq!(metadata.len(), 2, "objects must not contain other members");
    let mut targets = vec!["_aws"];
    for directive in directives {
        assert_eq!(directive.as_object().unwrap().len(), 3);
        assert!((1..=255).contains(&directive["Namespace"].as_str().unwrap().len()));
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for key in sets.iter().flat_map(|set| set.as_array().unwrap()) {
            let key = key.as_str().unwrap();
            assert!(root[key].is_string(), "a dimension's target is a string on the root");
            targets.push(key);
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(metrics.len() <= 100, "at most 100 metrics a directive");
        for metric in metrics {
            let (name, unit) = (metric["Name"].as_str().unwrap(), metric["Unit"].as_str().unwrap());
            assert!((1..=255).contains(&name.len()) && UNITS.contains(&unit), "{name} {unit}");
            assert!(root[name].is_number(), "{name} is a number on the root");
            assert!(!targets.contains(&name), "{name} is there twice");
            targets.push(name);
        }
    }
    assert_eq!(root.len(), targets.len(), "every member is named");
    root
}

#[test]
fn a_line_of_each_role_is_the_golden_one() {
    for (role, text, golden) in [
        (EmfRole::Ingest, INGEST, include_str!("golden_ingest.json")),
        (EmfRole::Processor, PROCESSOR, include_str!("golden_processor.json")),
    ] {
        let line = lines(role).next(text, FACTS, NOW_MS);
        check(&line);
        // The order of an object's members does not matter.
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&line), read(golden), "{role:?}: {line}");
    }
}

#[test]
fn counters_tell_what_was_added_and_zero_is_told_too() {
    let mut lines = lines(EmfRole::Ingest);
    assert_eq!(check(&lines.next(INGEST, FACTS, NOW_MS))["Requests"], 120);
    let quiet = check(&lines.next(INGEST, FACTS, NOW_MS));
    assert_eq!((&quiet["Requests"], &quiet["RequestErrors"]), (&json!(0), &json!(0)));
    assert_eq!(quiet["DependenciesLost"], 1, "a gauge is told as it is");
    assert!(!quiet.contains_key("AcceptTimeP99"), "nothing was observed since");
    let more = INGEST.replace("status=\"5xx\"} 2", "status=\"5xx\"} 5");
    let more = check(&lines.next(&more, FACTS, NOW_MS));
    assert_eq!((&more["Requests"], &more["RequestErrors"]), (&json!(3), &json!(3)));
}

#[test]
fn a_process_that_counted_nothing_yet_still_tells_every_alarm_s_metric() {
    let ingest = check(&lines(EmfRole::Ingest).next("", RoleFacts { is_ready: false, shards: 0 }, 0));
    assert_eq!((&ingest["Processes"], &ingest["Ready"]), (&json!(1), &json!(0)));
    assert_eq!(ingest["RequestErrors"], 0);
    let processor = check(&lines(EmfRole::Processor).next("", FACTS, 0));
    let zero = ["ReceiptsSlow", "DeadLetters", "LagSeconds", "CheckpointAgeSeconds", "SetAside", "LogGaps"];
    assert!(zero.iter().all(|name| processor[*name] == 0));
    assert_eq!(processor["Shards"], 2);
}

#[test]
fn receipts_later_than_the_limit_are_counted_exactly() {
    assert!(crate::RECEIPT_SECONDS.contains(&SLOW_S), "it is a bound of the histogram's buckets");
    let line = check(&lines(EmfRole::Processor).next(PROCESSOR, FACTS, NOW_MS));
    assert_eq!((&line["Receipts"], &line["ReceiptsSlow"]), (&json!(100), &json!(8)));
}
