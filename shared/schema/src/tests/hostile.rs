//! Schemas and payloads that are made to be expensive, to lead out, or to go in circles.

use super::*;
use std::time::{Duration, Instant};

/// Far above the time of a compilation or a judgement, also without optimisations.
const SOON: Duration = Duration::from_secs(20);

#[track_caller]
fn refused_soon(schema: &str, says: &str) -> SchemaFault {
    let started = Instant::now();
    let fault = refused(schema);
    assert!(fault.message.contains(says), "{fault:?}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    fault
}

/// `depth` schemas, each of which asks the next one twice.
fn doubling(depth: usize, twice: impl Fn(String) -> String) -> String {
    let next = |n: usize| format!(r##"{{"$ref":"#/$defs/d{}"}}"##, n + 1);
    let defs: Vec<String> = (0..depth).map(|n| format!(r#""d{n}":{}"#, twice(next(n)))).collect();
    format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d{depth}":{{"minLength":1}}}}}}"##, defs.join(","))
}

#[test]
fn references_lead_nowhere_else_and_not_in_a_circle() {
    for (reference, pointer, says) in [
        ("http://127.0.0.1:1/x.json", "/$ref", "never fetched"),
        ("https://example.com/x.json#/a", "/$ref", "never fetched"),
        ("file:///etc/passwd", "/$ref", "never fetched"),
        ("other.json", "/$ref", "never fetched"),
        ("", "/$ref", "never fetched"),
        ("#/$defs/none", "/$ref", "leads to nothing"),
        ("#none", "/$ref", "leads to nothing"),
        ("#/%zz", "/$ref", "URI fragment"),
        ("#/type", "/type", "must be a schema"),
        ("#", "", "never end"),
    ] {
        let fault = refused_soon(&format!(r#"{{"type":"object","$ref":"{reference}"}}"#), says);
        assert_eq!(fault.pointer, pointer, "{reference}");
    }
    for circle in [
        r##"{"allOf":[{"$ref":"#"}]}"##,
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}"##,
        r##"{"if":{"$ref":"#"}}"##,
        r##"{"dependentSchemas":{"a":{"$ref":"#"}}}"##,
        r##"{"$ref":"#here","$defs":{"a":{"$anchor":"here","$ref":"#/$defs/a"}}}"##,
    ] {
        refused_soon(circle, "would never end");
    }
    // A circle that looks into the value ends with the value.
    let tree = r##"{"type":"object","properties":{"left":{"$ref":"#"},"right":{"$ref":"#"}},"additionalProperties":false}"##;
    assert!(fits(tree, r#"{"left":{"right":{}},"right":{}}"#));
    assert!(!fits(tree, r#"{"left":{"right":{"up":{}}}}"#));
    for there in [
        r##"{"$ref":"#ab","$defs":{"x":{"$anchor":"ab","type":"string"}}}"##,
        r##"{"$ref":"#/$defs/a~1b%20c","$defs":{"a/b c":{"type":"string"}}}"##,
        r##"{"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}}"##,
        r##"{"$ref":"#/somewhere/0","somewhere":[{"type":"string"}]}"##,
    ] {
        assert!(fits(there, r#""text""#) && !fits(there, "1"), "{there}");
    }
}

#[test]
fn unsupported_keywords_are_named() {
    for (schema, pointer, says) in [
        (r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#, "/$schema", "2020-12"),
        (r##"{"items":{"$dynamicRef":"#a"}}"##, "/items/$dynamicRef", "$ref"),
        (r#"{"$dynamicAnchor":"a"}"#, "/$dynamicAnchor", "$anchor"),
        (r#"{"not":{"$id":"https://example.com/"}}"#, "/not/$id", "$anchor"),
        (r#"{"dependencies":{"a":["b"]}}"#, "/dependencies", "dependentRequired"),
        (r#"{"items":[{}]}"#, "/items", "must be a schema"),
        (r#"{"properties":{"a":1}}"#, "/properties/a", "must be a schema"),
        (r#"{"allOf":{}}"#, "/allOf", "array of schemas"),
        (r#"{"type":"text"}"#, "/type", ""),
        (r#"{"minLength":-1}"#, "/minLength", ""),
        (r#"{"type":"object","type":"array"}"#, "/type", "comes twice"),
        ("7", "", "must be a schema"),
        (r#"{"a":"#, "/a", "EOF"),
    ] {
        let fault = refused_soon(schema, says);
        assert_eq!(fault.pointer, pointer, "{schema}: {fault:?}");
    }
    assert!(fits("true", "1") && !fits("false", "1"));
}

#[test]
fn sizes_are_limited_and_named() {
    let many = |n: usize, one: &str| (0..n).map(|n| format!(r#""m{n}":{one}"#)).collect::<Vec<_>>().join(",");
    refused_soon(
        &format!(r#"{{"description":"{}"}}"#, "x".repeat(70_000)),
        "70018 bytes; the limit is 65536",
    );
    refused_soon(&format!(r#"{{"properties":{{{}}}}}"#, many(1000, "{}")), "more than 1000 schemas");
    let deep = format!("{}{{}}{}", r#"{"not":"#.repeat(70), "}".repeat(70));
    refused_soon(&deep, "deeper than 64 levels");
    refused_soon(&"[".repeat(60_000), "deeper than 64 levels");
    refused_soon(
        &format!(r#"{{"properties":{{{}}}}}"#, many(33, r#"{"pattern":"a"}"#)),
        "more than 32 patterns",
    );
    refused_soon(&format!(r#"{{"pattern":"{}"}}"#, "a".repeat(1025)), "1025 bytes; the limit is 1024");
}

#[test]
fn patterns_do_not_backtrack_and_stay_small() {
    for (pattern, pointer) in [
        ("(?=x)y", "/pattern"),
        ("(a)\\\\1", "/pattern"),
        ("(", "/pattern"),
        // Too large once compiled.
        ("(\\\\p{L}{100}){100}", "/pattern"),
        ("[a-z]{1000}{1000}", "/pattern"),
    ] {
        assert_eq!(refused_soon(&format!(r#"{{"pattern":"{pattern}"}}"#), "").pointer, pointer, "{pattern}");
    }
    assert_eq!(refused(r#"{"patternProperties":{"(?!a)":{}}}"#).pointer, "/patternProperties/(?!a)");
    // The classic pattern that takes a backtracking engine years.
    let bomb = compiled(r#"{"pattern":"^(a+)+$"}"#);
    let started = Instant::now();
    let text = format!(r#""{}!""#, "a".repeat(200_000));
    assert_eq!(misfits(&bomb, &text).len(), 1);
    assert!(started.elapsed() < SOON);
    // A pattern whose automaton has 2^200 states is priced by its positions.
    let wide = compiled(r#"{"pattern":"[01]*1[01]{200}$"}"#);
    let text = read(&format!(r#""{}""#, "01".repeat(100_000)));
    assert!(wide.checks(&text) > 10_000_000, "{}", wide.checks(&text));
}

#[test]
fn branches_that_double_are_refused_before_they_are_compiled() {
    for twice in ["allOf", "anyOf", "oneOf"] {
        let schema = doubling(40, |next| format!(r#"{{"{twice}":[{next},{next}]}}"#));
        refused_soon(&schema, "checks; the limit is 1000");
    }
    // At each level of the payload.
    for schema in [
        r##"{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}"##,
        r##"{"allOf":[{"items":{"$ref":"#"}},{"items":{"$ref":"#"}}]}"##,
        r##"{"items":{"$ref":"#"},"contains":{"$ref":"#"}}"##,
        r##"{"patternProperties":{"a":{"$ref":"#"},"b":{"$ref":"#"}}}"##,
        r##"{"properties":{"a":{"$ref":"#"}},"unevaluatedProperties":{"$ref":"#"}}"##,
        r##"{"properties":{"a":{"$ref":"#"}},"unevaluatedProperties":false}"##,
    ] {
        refused_soon(schema, "of an event could need");
    }
    let schema = doubling(40, |next| format!(r#"{{"unevaluatedProperties":false,"allOf":[{next}]}}"#));
    refused_soon(&schema, "");
}

#[test]
fn a_chain_of_schemas_is_as_long_as_the_stack_holds() {
    let chain = |links: usize, link: &str| {
        let all: Vec<String> = (0..links)
            .map(|n| {
                format!(
                    r##""c{n}":{{"{link}":{}}}"##,
                    in_list(link, &format!(r##"{{"$ref":"#/$defs/c{}"}}"##, n + 1))
                )
            })
            .collect();
        format!(
            r##"{{"items":{{"$ref":"#"}},"$ref":"#/$defs/c0","$defs":{{{},"c{links}":true}}}}"##,
            all.join(",")
        )
    };
    refused_soon(&chain(200, "allOf"), "inside each other");
    // The longest chain that is taken, on the deepest payload, with the stack of a runtime's thread.
    let longest = (1..200)
        .rev()
        .find_map(|links| EventSchema::compile(&chain(links, "anyOf"), &SchemaLimits::default()).ok());
    let schema = longest.expect("a chain");
    let payload = format!("{}1{}", "[".repeat(PAYLOAD_DEPTH_MAX), "]".repeat(PAYLOAD_DEPTH_MAX));
    let judged = std::thread::Builder::new().stack_size(1 << 20).spawn(move || misfits(&schema, &payload));
    assert_eq!(judged.unwrap().join().unwrap(), []);
}

fn in_list(link: &str, inner: &str) -> String {
    if link == "not" { inner.to_owned() } else { format!("[{inner}]") }
}

/// A schema and a payload within all limits take time in proportion to their price.
#[test]
fn the_most_expensive_that_is_taken_ends_soon() {
    let values = format!("[{}0]", "0,".repeat(120_000));
    let branches =
        format!(r#"{{"items":{{"anyOf":[{}{{"type":"integer"}}]}}}}"#, r#"{"type":"string"},"#.repeat(50));
    let words: Vec<String> = (0..2000).map(|n| format!(r#""word{n}""#)).collect();
    let huge_enum = format!(r#"{{"items":{{"enum":[{},0]}}}}"#, words.join(","));
    let unique = r##"{"uniqueItems":true,"items":{"$ref":"#"}}"##.to_owned();
    let pairs = format!("[{}]", (0..20_000).map(|n| format!("[{n}]")).collect::<Vec<_>>().join(","));
    for (schema, payload) in [(&branches, &values), (&huge_enum, &values), (&unique, &pairs)] {
        let (schema, payload) = (compiled(schema), read(payload));
        let started = Instant::now();
        assert_eq!(schema.misfits(&payload, 10), []);
        let (took, checks) = (started.elapsed(), schema.checks(&payload));
        // Some ten nanoseconds a check; ten times that without optimisations on a busy machine.
        assert!(took < Duration::from_nanos(checks * 500) + Duration::from_millis(200), "{checks}: {took:?}");
    }
}

#[test]
fn an_ordinary_payload_costs_little() {
    let properties: Vec<String> =
        (0..10).map(|n| format!(r#""p{n}":{{"type":"integer","minimum":0}}"#)).collect();
    let schema =
        format!(r#"{{"type":"object","required":["p0"],"properties":{{{}}}}}"#, properties.join(","));
    let payload: Vec<String> = (0..10).map(|n| format!(r#""p{n}":{n}"#)).collect();
    let payload = read(&format!("{{{}}}", payload.join(",")));
    assert!(
        (20..100).contains(&compiled(&schema).checks(&payload)),
        "{}",
        compiled(&schema).checks(&payload)
    );
}
