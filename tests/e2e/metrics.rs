//! Metrics are declared, documented and bounded, and dashboards and rules use only declared metrics.

use crate::harness::endpoint::EndpointReply;
use crate::harness::{Request, TestCustomer, TestEndpoint, TestServer, setting, tell, wait_for};
use serde_json::{Value, json};
use sluice_telemetry::{self, Metric, MetricKind, Values};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn declared() -> Vec<Metric> {
    [sluice_telemetry::METRICS, sluice_ingest::METRICS, sluice_processor::metrics::METRICS].concat()
}

/// The metric that a series belongs to.
fn metric_of(series: &str) -> Option<Metric> {
    let all = declared();
    let find = |name: &str| all.iter().find(|metric| metric.name == name).copied();
    find(series).or_else(|| {
        let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| series.strip_suffix(end))?;
        find(base).filter(|metric| metric.kind == MetricKind::Histogram)
    })
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    let mut out = "# Metrics\n\nServed at `/metrics` of the admin listener, and of the public one unless \
        `ingest.metrics_on_public` is false. Made from the declarations in the code; to write it anew: \
        `SLUICE_TEST_WRITE=1 tests/run the_page_of_metrics`. Labels come from closed sets: never an id of a \
        customer or an event, never a URL.\n\n| metric | kind | labels | what it says |\n|---|---|---|---|\n"
        .to_owned();
    for Metric { name, kind, help, labels } in declared() {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, values)| match values {
                Values::Of(all) => format!("`{label}`: {}", all.join(", ")),
                Values::Bounded(words) => format!("`{label}`: {words}"),
            })
            .collect();
        writeln!(out, "| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join("; ")).unwrap();
    }
    out
}

#[test]
fn the_page_of_metrics_is_what_the_code_declares() {
    let path = root().join("docs/metrics.md");
    if setting("SLUICE_TEST_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/metrics.md is not what the code declares; the page says how to write it"
    );
    let names: BTreeSet<_> = declared().iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), declared().len(), "a metric is declared twice");
}

/// A selector in an expression: its series, and its labels with their required values.
#[derive(Debug, PartialEq)]
struct SeriesSelector {
    series: String,
    labels: Vec<(String, String)>,
}

/// The selectors of Sluice's series in an expression of Prometheus.
fn selectors(expression: &str) -> Vec<SeriesSelector> {
    let mut all = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find("sluice_") {
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (series, after) = rest.split_at(end);
        let inside =
            after.strip_prefix('{').and_then(|after| after.split_once('}')).map_or("", |(inside, _)| inside);
        let labels = inside.split(',').filter_map(|matcher| {
            let at = matcher.find(['=', '!'])?;
            let value = matcher[at..].trim_start_matches(['=', '!', '~']).trim().trim_matches('"');
            Some((matcher[..at].trim().to_owned(), value.to_owned()))
        });
        all.push(SeriesSelector { series: series.to_owned(), labels: labels.collect() });
        rest = after;
    }
    all
}

/// The faults of an expression.
fn faults(expression: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for SeriesSelector { series, labels } in selectors(expression) {
        let Some(metric) = metric_of(&series) else {
            faults.push(format!("there is no {series}"));
            continue;
        };
        for (label, value) in labels {
            if ["instance", "job", "le"].contains(&label.as_str()) {
                continue;
            }
            match metric.labels.iter().find(|(name, _)| *name == label) {
                None => faults.push(format!("{series} has no label {label}")),
                Some((_, Values::Of(known))) => {
                    let literal = value.split('|').filter(|part| !part.contains(['$', '.', '*', '[']));
                    let unknown = literal.filter(|part| !known.contains(part));
                    faults.extend(unknown.map(|part| format!("{series} is never {label}={part}")));
                }
                Some((_, Values::Bounded(_))) => {}
            }
        }
    }
    faults
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(text) if ["expr", "query", "definition"].contains(&name.as_str()) => {
                found.push(text.clone());
            }
            value => expressions(value, found),
        }),
        Value::Array(all) => all.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn dashboards_and_alerts_ask_only_for_what_there_is() {
    let text = std::fs::read_to_string(root().join("dashboards/grafana/sluice.json")).unwrap();
    let mut all = Vec::new();
    expressions(&serde_json::from_str(&text).unwrap(), &mut all);
    let panels = all.iter().filter(|expression| expression.contains("sluice_")).count();
    assert!(panels >= 5, "only {panels} expressions were found in the dashboard");
    // Rules are YAML; their comments and texts name no series.
    for name in ["rules.yml", "rules_test.yml"] {
        all.push(std::fs::read_to_string(root().join("dashboards/prometheus").join(name)).unwrap());
    }
    let faults: Vec<_> = all.iter().flat_map(|expression| faults(expression)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_wrong_expression_is_found_out() {
    let fault_count = |expression: &str| faults(expression).len();
    assert_eq!(fault_count(r#"rate(sluice_http_requests_total{route="produce", status=~"4xx|5xx"}[5m])"#), 0);
    assert_eq!(
        fault_count("histogram_quantile(0.9, sum by (le) (rate(sluice_processor_post_seconds_bucket[1m])))"),
        0
    );
    assert_eq!(fault_count("sluice_no_such_thing"), 1);
    assert_eq!(fault_count("sluice_http_requests_total_bucket"), 1);
    assert_eq!(fault_count(r#"sluice_http_requests_total{customer="x"}"#), 1);
    assert_eq!(fault_count(r#"sluice_http_requests_total{status!="6xx"}"#), 1);
}

/// A server that has seen good and bad requests, deliveries and dead letters.
fn busy_server() -> TestServer {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let (good, bad) = (TestEndpoint::healthy(), TestEndpoint::start(|_| EndpointReply::status(400)));
    customer.subscribe(&good.url());
    customer.subscribe(&bad.url());
    customer.send(&json!({"event_type": "a.b", "payload": 1}));
    customer.wait_for_dead_letters("refused", 1);
    customer.call(Request::get("/v1/nothing"), 404);
    customer.call(Request::post("/v1/events").json(&json!([{}])), 400);
    server
}

fn scrape(server: &TestServer) -> String {
    Request::get("/metrics").expect(server.admin(), 200).text()
}

#[test]
fn every_series_is_declared_and_its_labels_are_bounded() {
    let server = busy_server();
    let text = scrape(&server);
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let series = line.split(['{', ' ']).next().unwrap();
        let Some(metric) = metric_of(series) else { panic!("not declared: {line}") };
        seen.insert(metric.name);
        assert_eq!(faults(line), [""; 0], "{line}");
        let labels = selectors(line).remove(0).labels;
        let own = labels.iter().filter(|(label, _)| label != "le").count();
        assert_eq!(own, metric.labels.len(), "{line}");
    }
    let absent: Vec<_> =
        declared().into_iter().map(|metric| metric.name).filter(|name| !seen.contains(name)).collect();
    // On one machine there is no other service to lose, and without a certificate no TLS to count.
    let elsewhere = [
        "sluice_dependency_lost",
        "sluice_dependency_denied",
        "sluice_log_gaps_total",
        "sluice_log_shard_load",
        "sluice_log_reads_refused_total",
        "sluice_log_records_refused_total",
        "sluice_log_takeovers_cut_short_total",
        "sluice_store_refused_total",
        "sluice_queue_deliveries_split_total",
        "sluice_queue_side_calls_failed_total",
        "sluice_settings_wrong",
        "sluice_tls_handshakes_total",
        "sluice_tls_reloads_total",
    ];
    assert_eq!(absent, elsewhere);
}

#[test]
fn the_lines_for_cloudwatch_are_made_from_declared_series() {
    for (series, labels) in sluice_telemetry::emf::series() {
        let Some(metric) = metric_of(series) else { panic!("not declared: {series}") };
        for (label, value) in labels {
            let values = metric.labels.iter().find(|(known, _)| *known == label).map(|(_, values)| *values);
            let Some(Values::Of(all)) = values else { panic!("{series} has no closed label {label}") };
            assert!(all.contains(&value), "{series}: {label} is never {value}");
        }
    }
}

fn promtool(arguments: &[&str], input: &[u8]) -> Option<std::process::Output> {
    let Some(tool) = setting("SLUICE_TEST_PROMTOOL") else {
        tell("SLUICE_TEST_PROMTOOL is not set: promtool checks nothing (tests/run fetches it)");
        return None;
    };
    let command = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = command.expect("run promtool");
    child.stdin.take().unwrap().write_all(input).ok();
    Some(child.wait_with_output().expect("promtool"))
}

fn assert_clean(output: Option<std::process::Output>) {
    let Some(output) = output else { return };
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let server = busy_server();
    let text = wait_for("all metrics", || {
        Some(scrape(&server)).filter(|text| text.contains("receipt_seconds_bucket"))
    });
    assert_clean(promtool(&["check", "metrics"], text.as_bytes()));
    if let Some(output) = promtool(&["check", "metrics"], b"# TYPE x counter\nx 1\n") {
        assert!(!output.status.success(), "promtool finds nothing wrong with anything");
    }
}

/// The values after `key` in a file of rules or of their tests, up to a comma or the line's end.
fn values_of<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let after = text.split(key).skip(1);
    after.filter_map(|rest| rest.split([',', '\n']).next().map(str::trim)).collect()
}

#[test]
fn alerts_fire_when_they_should_and_not_else() {
    let dir = root().join("dashboards/prometheus");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    let (rules, tests) = (read("rules.yml"), read("rules_test.yml"));
    let alerts = values_of(&rules, "- alert:");
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let named = tests.split("alertname:").skip(1).filter(|rest| rest.trim_start().starts_with(alert));
        let silent = named.clone().filter(|rest| rest.lines().next().unwrap().contains("exp_alerts: []"));
        assert!(silent.clone().count() >= 1, "{alert} is not tested to be silent");
        assert!(named.count() > silent.count(), "{alert} is not tested to fire");
    }
    let arguments =
        |tests: &Path| ["test".to_owned(), "rules".to_owned(), tests.to_str().unwrap().to_owned()];
    let run = |tests: &Path| promtool(&arguments(tests).each_ref().map(String::as_str), b"");
    assert_clean(run(&dir.join("rules_test.yml")));
    // A limit ten times as high is found out.
    let changed = crate::harness::directory();
    let wrong = rules.replace("[5m]))) > 0.25", "[5m]))) > 2.5");
    assert_ne!(wrong, rules);
    std::fs::write(changed.path().join("rules.yml"), wrong).unwrap();
    std::fs::write(changed.path().join("rules_test.yml"), tests).unwrap();
    if let Some(output) = run(&changed.path().join("rules_test.yml")) {
        assert!(!output.status.success(), "promtool tests nothing");
    }
}

#[test]
fn promtool_finds_nothing_wrong_with_the_alerts() {
    let rules = root().join("dashboards/prometheus/rules.yml");
    assert_clean(promtool(&["check", "rules", rules.to_str().unwrap()], b""));
    let config = root().join("dashboards/prometheus/prometheus.yml");
    if Path::exists(&config) {
        assert_clean(promtool(&["check", "config", "--syntax-only", config.to_str().unwrap()], b""));
    }
}
