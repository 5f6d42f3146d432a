//! Every reason for refusing a selector, and where its error points.

use super::*;
use crate::SelectorLimits;

#[track_caller]
fn refused(selector: &str, pointer: &str, message: &str) {
    let error = Selector::parse(selector).map(|_| ()).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn malformed_selectors_are_refused() {
    refused("{", "", "not JSON at byte 1");
    refused("[]", "", "expected an object with a `type`");
    refused("{}", "", "`type` is missing");
    refused(r#"{"type":7}"#, "/type", "expected a string");
    refused(r#"{"type":"xpath"}"#, "/type", "one of `event_type`");
    refused(r#"{"type":"event_type"}"#, "", "`value` is missing");
    refused(r#"{"type":"event_type","value":7}"#, "/value", "expected a string");
    refused(r#"{"type":"event_type","value":"a","a/b~":1}"#, "/a~1b~0", "no such member");
    refused(r#"{"type":"event_type","value":"a","value":"b"}"#, "/value", "given twice");
    refused(&event_type("ord*"), "/value", "whole segment");
    refused(&event_type(""), "/value", "cannot be empty");
    refused(&event_type(&"x".repeat(300)), "/value", "bytes of the event type: 300, at most 256");
}

#[test]
fn malformed_expressions_are_refused() {
    refused(r#"{"type":"jsonpath"}"#, "", "`expression` is missing");
    refused(
        &jsonpath("$.a[?@.b >]"),
        "/expression",
        "character 10: expected a query, a literal or a function",
    );
    refused(&jsonpath(&"$".repeat(600)), "/expression", "bytes of the expression: 600, at most 512");
    refused(&jsonpath(&format!("{}$", "(".repeat(40))), "/expression", "nested too deeply, at most 32");
    refused(&jsonpath("search($.a, '[')"), "/expression", "character 12: regular expression");
}

#[test]
fn malformed_functions_are_refused() {
    refused(r#"{"type":"custom","function":"f"}"#, "/function", "expected an object");
    refused(r#"{"type":"custom","function":{}}"#, "/function", "`field` is missing");
    refused(&function("", "exists", ""), "/function/field", "cannot be empty");
    refused(&function("a..b", "exists", ""), "/function/field", "empty step");
    refused(&function("$.a", "exists", ""), "/function/field", "without `$`");
    refused(&function("/a~2", "exists", ""), "/function/field", "`~`");
    refused(
        &function(&"a".repeat(600), "exists", ""),
        "/function/field",
        "bytes of the field: 600, at most 512",
    );
    refused(&function("a", "is", "1"), "/function/operator", "one of `equals`");
    refused(&function("a", "exists", "true"), "/function/value", "`exists` takes no value");
    refused(&function("a", "equals", ""), "/function", "`value` is missing");
    refused(&function("a", "less_than", "null"), "/function/value", "expected a number or a string");
    refused(&function("a", "starts_with", "1"), "/function/value", "expected a string");
    refused(&function("a", "in", "\"x\""), "/function/value", "expected a list of at least one value");
    refused(&function("a", "in", "[]"), "/function/value", "expected a list of at least one value");
    let list = format!("[{}1]", "1,".repeat(1000));
    refused(&function("a", "not_in", &list), "/function/value", "values in the list: 1001, at most 1000");
}

#[test]
fn malformed_regular_expressions_are_refused() {
    refused(&function("a", "matches", "\"(\""), "/function/value", "regular expression: unclosed group");
    refused(&function("a", "matches", r#""(?=a)""#), "/function/value", "look-around");
    refused(&function("a", "matches", r#""(a)\\1""#), "/function/value", "backreferences");
    let long = format!("\"{}\"", "a".repeat(300));
    refused(
        &function("a", "matches", &long),
        "/function/value",
        "bytes of the regular expression: 300, at most 256",
    );
    for bomb in ["(a{1000}){1000}", "((((a{99}){99}){99}){99}){99}", r"(\\w{50}){50}", r"\\pL{1000}"] {
        refused(
            &function("a", "matches", &format!("\"{bomb}\"")),
            "/function/value",
            "compiles to more than 65536 bytes",
        );
    }
    let nested = format!("\"{}{}\"", "(".repeat(100), ")".repeat(100));
    refused(&function("a", "matches", &nested), "/function/value", "nest");
}

#[test]
fn the_pointer_leads_into_lists() {
    let good = event_type("a");
    refused(r#"{"type":"all","of":{}}"#, "/of", "a list of at least one selector");
    refused(r#"{"type":"any","of":[]}"#, "/of", "a list of at least one selector");
    refused(r#"{"type":"not","of":[]}"#, "/of", "expected an object");
    let inner = function("a", "is", "1");
    let outer = format!(r#"{{"type":"all","of":[{good},{{"type":"not","of":{inner}}}]}}"#);
    refused(&outer, "/of/1/of/function/operator", "one of `equals`");
    let many = vec![good.as_str(); 65].join(",");
    refused(&format!(r#"{{"type":"any","of":[{many}]}}"#), "/of", "selectors in the list: 65, at most 64");
    let many = vec![good.as_str(); 60].join(",");
    let list = format!(r#"{{"type":"any","of":[{many}]}}"#);
    let lists = format!(r#"{{"type":"all","of":[{list},{list},{list}]}}"#);
    refused(&lists, "/of/2/of/4", "selectors in all: 129, at most 128");
}

#[test]
fn size_and_nesting_are_bounded() {
    let nested = |depth: usize| {
        format!("{}{}{}", r#"{"type":"not","of":"#.repeat(depth), event_type("a"), "}".repeat(depth))
    };
    assert!(Selector::parse(&nested(32)).is_ok());
    refused(&nested(33), &"/of".repeat(33), "levels of `all`, `any` and `not`: 33, at most 32");
    refused(&nested(100), "", "nested too deeply");
    refused(&nested(10_000), "", "bytes of the selector");
    refused(&"[".repeat(16_000), "", "nested too deeply");
    let limits = SelectorLimits { json_bytes_max: 10, ..SelectorLimits::default() };
    assert!(Selector::parse_within(&event_type("a"), &limits).is_err());
    let deep = format!("{}{}", "[".repeat(32), "]".repeat(32));
    let inside = format!(
        "{}{}{}",
        r#"{"type":"not","of":"#.repeat(32),
        function("a", "equals", &deep),
        "}".repeat(32)
    );
    assert!(Selector::parse(&inside).is_ok());
}
