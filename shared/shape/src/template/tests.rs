use super::*;
use proptest::prelude::*;

const EVENT: &str = r#"{"event_id":"e-1","customer_id":"c-1","event_type":"order.created","tags":["a","b"],
    "payload":{"id":"o-1","amount":12.5,"count":3,"paid":true,"none":null,"big":9007199254740993,
    "name":"A \"quoted\" <name> ü","lines":[{"sku":"x","n":1},{"sku":"y","n":2}]},"timestamp":"2026-11-29T00:00:00Z"}"#;

fn made_within(template: &Json, limits: ShapeLimits) -> Result<Json, TransformError> {
    let template = JsonTemplate::compile(&template.to_string(), limits)?;
    let (mut out, mut again) = (Vec::new(), Vec::new());
    template.render(EVENT.as_bytes(), &mut out)?;
    template.render(EVENT.as_bytes(), &mut again)?;
    assert_eq!(out, again, "the same event gives the same bytes");
    Ok(serde_json::from_slice(&out).unwrap())
}

fn made(template: &Json) -> Result<Json, TransformError> {
    made_within(template, ShapeLimits::default())
}

#[test]
fn one_expression_keeps_its_type_and_text_is_text() {
    let template = serde_json::json!({
        "amount": "{{ payload.amount }}", "count": " {{payload.count}} ", "paid": "{{- payload.paid -}}",
        "none": "{{ payload.none }}", "lines": "{{ payload.lines }}", "big": "{{ payload.big }}",
        "text": "{{ payload.count }}x", "two": "{{ payload.count }}{{ payload.count }}",
        "list": ["{{ event.payload.id }}", 7, null, true], "plain": "no {template", "sum": "{{ payload.count + 1 }}",
        "name": "Dear {{ payload.name }}", "tags": "{{ tags|join(', ') }}", "braces": "{{ '}} {{' }}",
        "if": "{% if payload.paid %}paid{% else %}due{% endif %}", "missing": "{{ source|default('web') }}",
        "skus": "{{ payload.lines|map(attribute='sku')|list }}",
        "condition": "{{ 'yes' if payload.absent else 'no' }}",
    });
    let expected = serde_json::json!({
        "amount": 12.5, "count": 3, "paid": true, "none": null, "lines": [{"sku":"x","n":1},{"sku":"y","n":2}],
        "big": 9_007_199_254_740_993_i64, "text": "3x", "two": "33", "list": ["o-1", 7, null, true],
        "plain": "no {template", "sum": 4, "name": "Dear A \"quoted\" <name> ü", "tags": "a, b",
        "braces": "}} {{", "if": "paid", "missing": "web", "skus": ["x", "y"], "condition": "no",
    });
    assert_eq!(made(&template).unwrap(), expected);
}

#[test]
fn an_error_names_its_string_and_its_line() {
    let wrong = serde_json::json!({ "a": { "b/c": ["x", "one\n{{ payload.id \n}} {% oops %}"] } });
    let error = made(&wrong).unwrap_err();
    assert_eq!((error.pointer.as_str(), error.line), ("/a/b~1c/1", Some(3)), "{error}");
    let undefined = serde_json::json!({ "t": "a\nb {{ payload.absent }}" });
    let error = made(&undefined).unwrap_err();
    assert_eq!((error.pointer.as_str(), error.line), ("/t", Some(2)), "{error}");
    let deeper = serde_json::json!("{{ payload.absent.deeper }}");
    assert!(made(&deeper).unwrap_err().message.contains("undefined"), "{:?}", made(&deeper));
    assert!(made(&serde_json::json!("{{ payload.absent }}")).unwrap_err().message.contains("undefined"));
    let error = JsonTemplate::compile("{\"a\":", ShapeLimits::default()).unwrap_err();
    assert!(error.to_string().starts_with("the template: EOF"), "{error}");
}

#[test]
fn there_is_no_clock_no_randomness_and_nothing_to_load() {
    for text in [
        "{{ now() }}",
        "{{ random() }}",
        "{{ payload.lines|random }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{{ debug() }}",
        "{{ env }}",
        "{{ lipsum() }}",
    ] {
        assert!(made(&serde_json::json!(text)).is_err(), "{text}");
    }
}

#[test]
fn hostile_templates_are_refused_or_end_within_their_limits_and_say_why() {
    let limits = ShapeLimits { event_bytes_max: 10_000, ..ShapeLimits::default() };
    let nested_loops =
        "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}";
    let doubling = "{% set x = payload.name %}{% set y = x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x %}\
                    {% set z = y ~ y ~ y ~ y ~ y ~ y ~ y ~ y ~ y ~ y ~ y ~ y %}{{ z ~ z ~ z ~ z ~ z ~ z ~ z ~ z }}";
    for text in [
        nested_loops,
        doubling,
        // The same container many times over, by each way to put a container into another.
        "{% set a = [1,1,1] %}{% set b = [a,a,a] %}{{ [b,b,b] }}",
        "{{ {'a': payload} }}",
        "{{ (payload, payload)|string }}",
        "{% set n = namespace(x=[1]) %}{{ n.x }}",
        "{{ [1]|zip([2])|list }}",
        "{{ payload.lines|map('batch', 2)|list }}",
        "{{ payload.lines|batch(2)|list }}",
        "{{ payload.lines|chain(payload.lines)|list }}",
        "{{ payload.lines * 1000 }}",
        "{{ payload.lines + payload.lines }}",
        "{{ dict(a=payload) }}",
        "{% with a = payload %}{{ a }}{% endwith %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        // Text of any length.
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ 'a'|indent(1000000000) }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ payload|tojson(indent=1000000000) }}",
        "{{ 10 ** 1000000 }}",
        "{{ range(100000000) }}",
        "{{ [0] * 100000000 }}",
        "{{ payload.name|replace('', payload.name|replace('', payload.name|replace('', payload.name)))\
            |replace('', payload.name|replace('', payload.name|replace('', payload.name))) }}",
    ] {
        let failed = made_within(&serde_json::json!(text), limits);
        let error = failed.expect_err(text);
        assert!(!error.message.is_empty() && error.message.len() <= MESSAGE_BYTES_MAX, "{text}");
    }
    let allowed = serde_json::json!({
        "sum": "{{ payload.count|int * 2 + 1 }}", "in": "{{ payload.id in ['o-1', 'o-2'] }}",
        "loop": "{% for line in payload.lines if line.n > 1 %}{{ line.sku }}{% endfor %}",
    });
    assert_eq!(made(&allowed).unwrap(), serde_json::json!({ "sum": 7, "in": true, "loop": "y" }));
}

#[test]
fn deep_and_large_templates_are_refused_when_they_are_made() {
    let compile = |json: &str| JsonTemplate::compile(json, ShapeLimits::default()).map(drop);
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert!(compile(&deep).unwrap_err().message.contains("nested"), "{:?}", compile(&deep));
    let long = format!("\"{}\"", "x".repeat(20_000));
    assert!(compile(&long).unwrap_err().message.contains("20002 bytes"));
    let many = format!("[{}1]", "\"{{ 1 }}\",".repeat(201));
    assert!(compile(&many).unwrap_err().message.contains("more than 200 strings"));
    let long = serde_json::json!(format!("{{{{ '{}' }}}}", "x".repeat(STRING_BYTES_MAX))).to_string();
    assert!(compile(&long).unwrap_err().message.contains("4096 is the most"));
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("not ", ""),
        ("{'a':", "}"),
        ("1+", ""),
        ("1 if 1 else ", ""),
        ("", ".a"),
        ("", "|int"),
        ("", "[1]"),
        ("1~", ""),
        ("1 is ", ""),
        ("1<", ""),
        ("", "(1)"),
    ] {
        // As deep as the longest string allows.
        let times = (STRING_BYTES_MAX - 20) / (open.len() + close.len());
        let expression = format!("{}1{}", open.repeat(times), close.repeat(times));
        let template = serde_json::json!(format!("{{{{ {expression} }}}}")).to_string();
        let compiled = JsonTemplate::compile(&template, ShapeLimits::default());
        // If it compiles, rendering ends, too.
        drop(compiled.map(|template| template.render(EVENT.as_bytes(), &mut Vec::new())));
    }
    for (open, close) in [
        ("{% if 1 %}", "{% endif %}"),
        ("{% for a in b %}", "{% endfor %}"),
        ("{%if 1%}{%elif 1%}", "{%endif%}"),
    ] {
        let times = STRING_BYTES_MAX / (open.len() + close.len());
        drop(compile(&serde_json::json!(open.repeat(times) + &close.repeat(times)).to_string()));
    }
}

#[test]
fn the_work_of_all_strings_of_an_event_counts_together() {
    let string = "{% for i in range(1000) %}{% if i %}{% endif %}{% endfor %}";
    let few = serde_json::json!(vec![string; 2]);
    assert!(made(&few).is_ok(), "{:?}", made(&few));
    let many = serde_json::json!(vec![string; 60]);
    assert!(made(&many).unwrap_err().message.contains("more work"), "{:?}", made(&many));
}

proptest! {
    #[test]
    fn no_string_makes_it_panic(text in "[{}%#a-c.|()\\[\\]'\" 0-9+*~-]{0,60}") {
        let template = serde_json::json!({ "x": text }).to_string();
        if let Ok(template) = JsonTemplate::compile(&template, ShapeLimits::default()) {
            let mut out = Vec::new();
            if template.render(EVENT.as_bytes(), &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<Json>(&out).is_ok());
            }
        }
    }

    #[test]
    fn text_without_marks_is_itself(text in "[^{]{0,80}") {
        prop_assert_eq!(made(&serde_json::json!([text])).unwrap(), serde_json::json!([text]));
    }
}
