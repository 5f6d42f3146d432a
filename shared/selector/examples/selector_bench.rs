//! What matching costs: `cargo run --release -p sluice-shared --example selector_bench`.
//!
//! Prints nanoseconds an event, best of several rounds, and the ratios that
//! matter: our tape against simd-json's, a match against its parse, an index of
//! 10,000 subscriptions against one of 1.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use sluice_selector::{MatchScratch, Selector, SubscriptionIndex};

fn main() {
    for (name, items) in [("small", 0), ("medium", 4), ("large", 60)] {
        bench_event(name, &payload(items));
    }
    bench_index();
}

fn payload(items: usize) -> String {
    let item = r#"{"sku":"SKU-1234-ABCD","title":"A thing that people buy","qty":3,"price":19.99,"tags":["new","blue"]}"#;
    let items = vec![item; items].join(",");
    format!(
        r#"{{"order_id":"ord_7f3a9c","customer":{{"id":48213,"email":"someone@example.com","country":"NL"}},"amount":149.95,"currency":"EUR","status":"paid","items":[{items}],"created_at":"2026-01-02T03:04:05Z","note":"leave it \"here\""}}"#
    )
}

fn envelope(payload: &str) -> String {
    format!(
        r#"{{"event_id":"01938f7e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","customer_id":"cus_0193","event_type":"order.created","source":"shop","payload":{payload},"timestamp":"2026-01-02T03:04:05.678Z"}}"#
    )
}

fn bench_event(name: &str, payload: &str) {
    let envelope = envelope(payload);
    println!("{name}: payload {} bytes, envelope {} bytes", payload.len(), envelope.len());
    let simd = simd_json_tape(&envelope);
    println!("  simd-json tape, reused buffers        {simd:>8.1} ns");
    let value =
        nanoseconds(|| serde_json::from_str::<serde_json::Value>(black_box(&envelope)).unwrap().is_object());
    println!("  serde_json Value                      {value:>8.1} ns");
    let absent = custom("absent", "exists", "");
    let parse = evaluation(&[absent.as_str()], &envelope);
    println!("  our tape and one absent field         {parse:>8.1} ns   {:.2} x simd-json", parse / simd);
    for (label, selector) in [
        ("amount > 100", custom("amount", "greater_than", "100")),
        ("customer.country in 3", custom("customer.country", "in", r#"["BE","DE","NL"]"#)),
        ("status equals", custom("status", "equals", "\"paid\"")),
        ("email matches", custom("customer.email", "matches", "\"@example[.]com$\"")),
        ("$.amount > 100 && …", jsonpath("$.amount > 100 && $.customer.country == 'NL'")),
        ("$.event_type == …", jsonpath("$.event_type == 'order.created'")),
        ("$.items[?@.qty > 9]", jsonpath("$.items[?@.qty > 9]")),
        ("$..missing", jsonpath("$..missing")),
    ] {
        let one = evaluation(&[absent.as_str(), selector.as_str()], &envelope);
        let (more, ratio) = (one - parse, one / parse);
        println!("  {label:<24} further       {more:>8.1} ns   {ratio:.2} x parse");
    }
}

fn custom(field: &str, operator: &str, value: &str) -> String {
    let value = if value.is_empty() { String::new() } else { format!(r#","value":{value}"#) };
    format!(r#"{{"type":"custom","function":{{"field":"{field}","operator":"{operator}"{value}}}}}"#)
}

fn jsonpath(expression: &str) -> String {
    format!(r#"{{"type":"jsonpath","expression":"{expression}"}}"#)
}

/// One event judged by these selectors, its envelope parsed once.
fn evaluation(selectors: &[&str], envelope: &str) -> f64 {
    let selectors: Vec<_> = selectors.iter().map(|json| Selector::parse(json).unwrap()).collect();
    let mut scratch = MatchScratch::default();
    nanoseconds(|| {
        let mut view = scratch.view("order.created", black_box(envelope.as_bytes()));
        selectors.iter().filter(|selector| selector.compiled().matches(&mut view)).count() > 9
    })
}

/// simd-json parses in place, so a copy belongs to its cost.
fn simd_json_tape(envelope: &str) -> f64 {
    let mut buffers = simd_json::Buffers::with_max_depth(envelope.len(), 64);
    let mut copy = Vec::new();
    let mut spare = Some(simd_json::Tape::null());
    nanoseconds(|| {
        copy.clear();
        copy.extend_from_slice(black_box(envelope.as_bytes()));
        let mut tape = spare.take().unwrap().reset();
        simd_json::fill_tape(&mut copy, &mut buffers, &mut tape).unwrap();
        let parsed = !tape.0.is_empty();
        spare = Some(tape.reset());
        parsed
    })
}

fn bench_index() {
    let build = |count: usize| {
        let entries = (0..count).map(|n| {
            let json = format!(r#"{{"type":"event_type","value":"kind.{n}"}}"#);
            (Selector::parse(&json).unwrap().compiled().clone(), n)
        });
        SubscriptionIndex::new(entries)
    };
    println!("index, one lookup for each distinct type of a batch");
    let cost = |index: &SubscriptionIndex<usize>, event_type: &str| {
        nanoseconds(|| index.candidates(black_box(event_type)).is_empty())
    };
    let (one, many) = (build(1), build(10_000));
    for (label, event_type) in [("one matches", "kind.0"), ("none matches", "other.thing")] {
        let (of_one, of_many) = (cost(&one, event_type), cost(&many, event_type));
        println!("  {label:<14} 1: {of_one:.1} ns   10,000: {of_many:.1} ns   {:.2} x", of_many / of_one);
    }
}

/// Best of nine rounds of some 10 ms.
fn nanoseconds(mut run: impl FnMut() -> bool) -> f64 {
    let started = Instant::now();
    let mut runs = 0_u32;
    while started.elapsed().as_millis() < 10 {
        black_box(run());
        runs += 1;
    }
    let mut best = f64::MAX;
    for _ in 0..9 {
        let started = Instant::now();
        for _ in 0..runs {
            black_box(run());
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(runs));
    }
    best
}
