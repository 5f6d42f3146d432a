//! Measures the cost of matching: `cargo run --release -p sluice-selector --example selector_bench`.
//!
//! Prints the best nanoseconds an event of several rounds, and ratios: our tape against
//! simd-json's, a match against its parse, an index of 10,000 subscriptions against one of
//! 1 and against evaluating all 10,000.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use sluice_selector::{EventVerdicts, MatchScratch, Selector, SubscriptionIndex};

fn main() {
    for (name, items) in [("small", 0), ("medium", 4), ("large", 60)] {
        bench_event(name, &payload(items));
    }
    bench_types();
    bench_ordinary();
    bench_hostile();
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

/// Judges one event by these selectors, with its envelope parsed once.
fn evaluation(selectors: &[&str], envelope: &str) -> f64 {
    let selectors: Vec<_> = selectors.iter().map(|json| Selector::parse(json).unwrap()).collect();
    let mut scratch = MatchScratch::default();
    nanoseconds(|| {
        let mut view = scratch.view("order.created", black_box(envelope.as_bytes()));
        selectors.iter().filter(|selector| selector.compiled().matches(&mut view)).count() > 9
    })
}

/// simd-json parses in place, so its cost includes a copy.
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

fn bench_types() {
    let build = |count: usize| {
        let entries = (0..count).map(|n| {
            let json = format!(r#"{{"type":"event_type","value":"kind.{n}"}}"#);
            (Selector::parse(&json).unwrap().compiled().clone(), n)
        });
        SubscriptionIndex::new(entries)
    };
    println!("index, one lookup for each distinct type of a batch");
    let cost = |index: &SubscriptionIndex<usize>, event_type: &str| {
        nanoseconds(|| index.for_type(black_box(event_type)).decided())
    };
    let (one, many) = (build(1), build(10_000));
    for (label, event_type) in [("one matches", "kind.0"), ("none matches", "other.thing")] {
        let (single, all) = (cost(&one, event_type), cost(&many, event_type));
        println!("  {label:<14} 1: {single:.1} ns   10,000: {all:.1} ns   {:.2} x", all / single);
    }
}

/// Ten thousand subscriptions of the usual kinds of one customer, one of which wants the
/// event.
fn bench_ordinary() {
    println!("10,000 subscriptions of one customer, one matching, payload of 4 items");
    let envelope = envelope(&payload(4));
    let kinds: [(&str, fn(usize) -> String); 7] = [
        ("$.customer.country == 'x'", |n| jsonpath(&format!("$.customer.country == '{}'", country(n)))),
        ("… && $.amount > 100", |n| {
            jsonpath(&format!("$.customer.country == '{}' && $.amount > 100", country(n)))
        }),
        ("$.field_n", |n| {
            jsonpath(if n == 77 { "$.status".to_owned() } else { format!("$.field_{n}") }.as_str())
        }),
        ("custom equals", |n| custom("customer.country", "equals", &format!("\"{}\"", country(n)))),
        ("custom in 3", |n| {
            custom("customer.country", "in", &format!("[\"{}\",\"a{n}\",\"b{n}\"]", country(n)))
        }),
        ("all of type and equals", |n| {
            let equals = custom("customer.country", "equals", &format!("\"{}\"", country(n)));
            format!(r#"{{"type":"all","of":[{{"type":"event_type","value":"order.*"}},{equals}]}}"#)
        }),
        ("custom greater_than (not indexed)", |n| {
            custom("amount", "greater_than", &format!("{}", if n == 77 { 1 } else { 1000 + n }))
        }),
    ];
    for (label, selector) in kinds {
        let selectors: Vec<_> = (0..10_000).map(|n| Selector::parse(&selector(n)).unwrap()).collect();
        let started = Instant::now();
        let index =
            SubscriptionIndex::new(selectors.iter().map(|selector| selector.compiled().clone()).zip(0..));
        let built = started.elapsed();
        let (by_index, steps) = judged(&index, &envelope, 1);
        let mut scratch = MatchScratch::default();
        let by_each = nanoseconds(|| {
            let mut view = scratch.view("order.created", black_box(envelope.as_bytes()));
            selectors.iter().filter(|selector| selector.compiled().matches(&mut view)).count() == 1
        });
        println!(
            "  {label:<34} index {:>8.2} µs ({steps} steps)   each alone {:>9.1} µs   {:>6.0} x   built in {built:.1?}",
            by_index / 1000.0,
            by_each / 1000.0,
            by_each / by_index
        );
    }
}

fn country(n: usize) -> String {
    if n == 77 { "NL".to_owned() } else { format!("x{n}") }
}

/// Expensive selectors, and how long a step takes with them.
fn bench_hostile() {
    println!("expensive subscriptions of one customer, payload of 22 KB");
    let object = format!("{}1{}", r#"{"a":{"y":"#.repeat(6), "}}".repeat(6));
    let payload = format!("[{}{object}]", format!("{object},").repeat(22_000 / (object.len() + 1)));
    let envelope = envelope(&payload);
    let kinds: [(&str, usize, fn(usize) -> String); 4] = [
        ("one", 1, |n| jsonpath(&format!("$..[?@..[?@.x == {n}]]"))),
        ("ten equal", 10, |_| jsonpath("$..[?@..[?@.x == 1]]")),
        ("ten with one prefix", 10, |n| jsonpath(&format!("$..[?@..[?@.x == 1]].n{n}"))),
        ("two hundred different", 200, |n| jsonpath(&format!("$..[?@..[?@.x == {n}]]"))),
    ];
    for (label, count, selector) in kinds {
        let entries = (0..count).map(|n| (Selector::parse(&selector(n)).unwrap().compiled().clone(), n));
        let (taken, steps) = judged(&SubscriptionIndex::new(entries), &envelope, 0);
        println!(
            "  {label:<22} {:>9.1} µs   {steps} steps of {:.1} ns",
            taken / 1000.0,
            taken / f64::from(steps)
        );
    }
}

/// The nanoseconds and steps of judging one event by an index.
fn judged(index: &SubscriptionIndex<usize>, envelope: &str, matches: usize) -> (f64, u32) {
    let candidates = index.for_type("order.created");
    let mut verdicts = EventVerdicts::default();
    let mut scratch = MatchScratch::default();
    let taken = nanoseconds(|| {
        let mut view = scratch.view("order.created", black_box(envelope.as_bytes()));
        index.judge(&candidates, &mut view, |_| true, &mut verdicts);
        verdicts.matched.len() == matches
    });
    assert_eq!(verdicts.matched.len(), matches);
    (taken, verdicts.steps)
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
