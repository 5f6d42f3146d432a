//! Selectors and payloads that are made to stall or crash a worker.

use super::*;
use std::time::{Duration, Instant};

/// No pair may take a core for longer than this, even on a slow machine; most take
/// microseconds.
const STALL: Duration = Duration::from_secs(1);

/// The CPU time of this thread, which other work on the machine does not lengthen; if the
/// kernel does not tell it, the time since `started`.
fn time_run(started: Instant) -> Duration {
    let run = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = run.as_deref().and_then(|run| run.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| started.elapsed(), Duration::from_nanos)
}

/// Payloads of 256 KiB in the most expensive shapes.
fn payloads() -> Vec<String> {
    const BYTES: usize = 256 * 1024;
    let wide = format!("[{}1]", "1,".repeat(BYTES / 2 - 2));
    let deep = format!("{}1{}", r#"{"a":["#.repeat(31), "]}".repeat(31));
    let deep_many = format!("[{}{deep}]", format!("{deep},").repeat(BYTES / (deep.len() + 1) - 1));
    let pairs = format!("[{}[1]]", "[1],".repeat(BYTES / 4 - 2));
    let members = (0..BYTES / 12).map(|n| format!(r#""{n:06}":1"#)).collect::<Vec<_>>().join(",");
    let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(BYTES - 16));
    let mut state = 1_u64;
    let mut random_bit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if state >> 63 == 0 { 'a' } else { 'b' }
    };
    let random: String = (0..BYTES - 16).map(|_| random_bit()).collect();
    let medium = format!(r#"{{"a":"{}"}}"#, random.get(..10_000).unwrap_or_default());
    let digits = format!(r#"{{"a":{}}}"#, "1".repeat(BYTES - 16));
    let patterns =
        (0..8000).map(|n| format!(r#"{{"a":"x{n}","p":"(a|b){{9}}{n}"}}"#)).collect::<Vec<_>>().join(",");
    vec![
        wide,
        deep_many,
        pairs,
        format!("{{{members}}}"),
        long,
        format!(r#"{{"a":"{random}"}}"#),
        medium,
        digits,
        format!("[{patterns}]"),
    ]
}

#[track_caller]
fn assert_quick(selector: &str) {
    let parsed = Selector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    let mut scratch = MatchScratch::default();
    for payload in payloads() {
        let envelope = envelope("t", &payload);
        let started = Instant::now();
        let before = time_run(started);
        let mut view = scratch.view("t", envelope.as_bytes());
        let verdict = parsed.compiled().evaluate(&mut view);
        let taken = time_run(started).saturating_sub(before);
        let kind = payload.get(..40).unwrap_or_default();
        assert!(taken < STALL, "{selector} on {kind}: {verdict:?} after {taken:?}");
        assert!(view.steps_spent() <= 1_000_000);
    }
}

#[test]
fn queries_that_multiply_run_out_of_budget_not_of_time() {
    for expression in [
        "$..*..*..*..*..nothing",
        "$..[?@..[?@..[?@..nothing]]]",
        "$[?count($..*) < 0]",
        "$..[?count($..*) < 0]",
        "$[?$..[?$..[?$..nothing]]]",
        "$..[?@ == $.nothing.x && value($..*) == 1]",
        "$[?@ < $[-1]]..nothing",
        "$..[::-1]..[::-1]..nothing",
        "$[?length($..*..*) == 1 || $ == $]..nothing",
        "$..[?$ != $]",
        "$[*,*,*,*,*,*,*,*][*,*,*,*,*,*,*,*][*,*,*,*,*,*,*,*]..nothing",
    ] {
        if Selector::parse(&jsonpath(expression)).is_ok() {
            assert_quick(&jsonpath(expression));
        } else {
            assert!(expression.contains("length($..*..*)"), "{expression}");
        }
    }
}

#[test]
fn equality_of_large_values_is_bounded() {
    assert_quick(&jsonpath("$ != $"));
    assert_quick(&jsonpath("$[?$ == $]"));
    assert_quick(&function("a", "equals", &format!("\"{}\"", "a".repeat(10_000))));
    assert_quick(&function("a", "greater_than", &"1".repeat(10_000)));
}

#[test]
fn regular_expressions_on_long_strings_are_bounded() {
    for pattern in [
        "(a|aa)+$",
        "(a*)*b",
        "(.*)(.*)(.*)(.*)(.*)x",
        "[ab]*a[ab]{100}x",
        "(?:a?){100}a{100}b",
        "(a{0,30}){0,10}b",
        r"(?i)(\\w+\\s?)*@",
        r".*.*.*.*\\d",
        "(?:[ab]*a[ab]{12}){4}x",
        "a.*b.*a.*b.*a.*b.*a.*x",
        r"\\b(?:[ab]{2,5}a){20}\\b",
    ] {
        assert_quick(&function("a", "matches", &format!("\"{pattern}\"")));
    }
    let parts = vec![function("a", "matches", r#""[ab]*a[ab]{60}x""#); 15].join(",");
    assert_quick(&format!(r#"{{"type":"any","of":[{parts}]}}"#));
    assert_quick(&jsonpath("search($.a, '(a*)*b') || match($.a, '[ab]*a[ab]{100}x')"));
}

#[test]
fn patterns_out_of_the_payload_are_bounded() {
    assert_quick(&jsonpath("$[?search(@.a, @.p)]"));
    assert_quick(&jsonpath("$..[?match(@.a, @.p) || search(@.p, $[0].p)]"));
    let bomb = r#"{"a":"aaaa","p":"((a{99}){99}){99}"}"#;
    assert_eq!(judge(&jsonpath("search($.a, $.p)"), bomb), Verdict::Undecided);
    assert_eq!(judge(&jsonpath("search($.a, $.p)"), r#"{"a":"aaaa","p":"(("}"#), Verdict::NoMatch);
    assert_eq!(judge(&jsonpath("search($.a, $.p)"), r#"{"a":"baab","p":"a{2}"}"#), Verdict::Match);
}

#[test]
fn the_largest_selector_is_bounded() {
    let one = jsonpath("$..*..*");
    let parts = vec![one.as_str(); 64].join(",");
    assert_quick(&format!(r#"{{"type":"not","of":{{"type":"any","of":[{parts}]}}}}"#));
    let list = format!("[{}1]", "\"aaaaaaaa\",".repeat(999));
    assert_quick(&function("a", "in", &list));
}

#[test]
fn deep_and_broken_payloads_are_undecided() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let selector = jsonpath("$..nothing");
    assert_eq!(judge(&selector, &nested(64)), Verdict::NoMatch);
    for payload in [nested(65), nested(100_000), "{".to_owned(), "1,".to_owned(), "\"\\x\"".to_owned()] {
        assert_eq!(judge(&selector, &payload), Verdict::Undecided);
    }
    let compiled = Selector::parse(&selector).unwrap();
    let mut scratch = MatchScratch::default();
    for envelope in [&b"{\"payload\":\"\xff\"}"[..], b"", b"[]", b"{}", b"7", b"\0"] {
        assert_eq!(compiled.compiled().evaluate(&mut scratch.view("t", envelope)), Verdict::Undecided);
    }
}

#[test]
fn huge_numbers_are_numbers() {
    let digits = "9".repeat(100_000);
    assert_matches(&function("a", "greater_than", "1e99998"), &format!(r#"{{"a":{digits}}}"#), true);
    assert_matches(&function("a", "less_than", "1e100001"), &format!(r#"{{"a":{digits}}}"#), true);
    assert_matches(&jsonpath("$.a > 18446744073709551615"), r#"{"a":18446744073709551616}"#, true);
    assert_matches(&jsonpath("$.a == 1e999999999999"), r#"{"a":1e+999999999999}"#, true);
}

#[test]
fn stacks_stay_shallow() {
    let worst = [
        format!("$[?{}@{}", "$[?".repeat(31), "]".repeat(32)),
        format!("$..[?{}@..x{}", "@..[?".repeat(31), "]".repeat(32)),
        format!("${}", "[*]".repeat(170)),
        format!("${}", "..*".repeat(170)),
        format!("{}$..*{}", "!(".repeat(32), ")".repeat(32)),
        format!("{}1{} == 1", "length(".repeat(32), ")".repeat(32)),
    ];
    let small_stack = std::thread::Builder::new().stack_size(512 * 1024).spawn(move || {
        let deep = format!("{}1{}", r#"{"a":["#.repeat(32), "]}".repeat(32));
        for expression in worst {
            let mut nested = jsonpath(&expression);
            for _ in 0..32 {
                nested = format!(r#"{{"type":"not","of":{nested}}}"#);
            }
            let _verdict = judge(&nested, &deep);
        }
    });
    small_stack.unwrap().join().unwrap();
}
