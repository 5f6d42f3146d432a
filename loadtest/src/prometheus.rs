//! The Prometheus text format: read from a server's `/metrics`, written as a
//! result. <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Most names kept of one scrape.
const NAMES_MAX: usize = 1000;

/// The samples of a scrape, summed over their labels; a histogram's buckets are
/// left out, its `_sum` and `_count` kept.
pub(crate) fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = sample(line) else { continue };
        // Quantiles of a summary do not add up, and buckets alone say little.
        if name.ends_with("_bucket") || line.contains("quantile=\"") {
            continue;
        }
        if sums.len() < NAMES_MAX || sums.contains_key(name) {
            *sums.entry(name.to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

/// `name{labels} value [time]`.
fn sample(line: &str) -> Option<(&str, f64)> {
    let name_end = line.find(|c: char| c == '{' || c.is_ascii_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let rest = match rest.strip_prefix('{') {
        Some(labels) => &labels[labels_end(labels)? + 1..],
        None => rest,
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (!name.is_empty() && value.is_finite()).then_some((name, value))
}

/// Where labels end: the first brace outside quotes.
fn labels_end(labels: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    labels.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

/// A result's numbers as gauges: `sluice_loadtest_latency_us_p99 1234`.
pub fn write(result: &Value) -> String {
    let mut text = String::new();
    put(&mut text, "sluice_loadtest", result).expect("writing to a String does not fail");
    text
}

fn put(text: &mut String, name: &str, value: &Value) -> std::fmt::Result {
    match value {
        Value::Number(number) => writeln!(text, "# TYPE {name} gauge\n{name} {number}"),
        Value::Bool(holds) => writeln!(text, "# TYPE {name} gauge\n{name} {}", u8::from(*holds)),
        // Counts by HTTP status.
        Value::Object(members) if name.ends_with("_answers") => {
            writeln!(text, "# TYPE {name} gauge")?;
            members
                .iter()
                .try_for_each(|(status, count)| writeln!(text, "{name}{{status=\"{status}\"}} {count}"))
        }
        Value::Object(members) => {
            members.iter().try_for_each(|(member, value)| put(text, &format!("{name}_{member}"), value))
        }
        // Prometheus makes its own series: the timeline is left out.
        Value::Array(_) | Value::String(_) | Value::Null => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_labels() {
        let text = "# HELP a b\n# TYPE a counter\na{x=\"1\"} 2\na{x=\"}\\\"{\",y=\"2\"} 3.5 1700000000\nb 1e3\n\
            h_bucket{le=\"1\"} 4\nh_sum 9\nh_count 4\ns{quantile=\"0.5\"} 1\nn NaN\n\nbroken\n";
        let sums = parse(text);
        let expected = [("a", 5.5), ("b", 1000.0), ("h_count", 4.0), ("h_sum", 9.0)];
        assert_eq!(sums, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }

    #[test]
    fn a_result_is_written_as_gauges_that_can_be_read() {
        let result = serde_json::json!({
            "run": "x", "events_per_s": 12.5, "ok": true, "latency_us": {"p99": 7}, "answers": {"202": 3, "429": 1},
            "timeline": [{"s": 1}],
        });
        let text = write(&result);
        assert!(text.contains("sluice_loadtest_answers{status=\"429\"} 1\n"), "{text}");
        let sums = parse(&text);
        assert_eq!(sums["sluice_loadtest_latency_us_p99"], 7.0);
        assert_eq!((sums["sluice_loadtest_events_per_s"], sums["sluice_loadtest_ok"]), (12.5, 1.0));
        assert_eq!(sums.len(), 4);
    }
}
