//! `/docs`: the API's description for people to read, made from `/openapi.json`.
//!
//! One page without scripts, and with nothing from elsewhere: its only style is
//! named by its hash in the content security policy.

use crate::reply::ApiReply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Map, Value};
use sluice_catalogue::secrets::sha256;
use std::fmt::Write as _;

const STYLE: &str = include_str!("docs/style.css");

/// Methods as OpenAPI writes them, in the order in which a path's are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// How deep the fields of a body are shown; deeper objects are named by their schema.
const DEPTH_MAX: usize = 3;

/// A page, and the policy that it is sent with.
pub(crate) struct DocsPage {
    html: Bytes,
    policy: HeaderValue,
}

impl DocsPage {
    /// The page for an OpenAPI document.
    pub(crate) fn new(document: &Value) -> Self {
        let style = STANDARD.encode(sha256(STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        let policy = HeaderValue::try_from(policy).expect("ASCII");
        Self { html: page(document).into(), policy }
    }

    pub(crate) fn reply(&self) -> ApiReply {
        let mut reply = crate::reply::html(self.html.clone());
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        reply
    }
}

fn page(document: &Value) -> String {
    let (title, version) = (text(&document["info"]["title"]), text(&document["info"]["version"]));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}: the API</title><style>{STYLE}</style></head><body>\n<header><h1>{title}</h1>\
         <p>Version {version} · <a href=\"openapi.json\">openapi.json</a></p><p>{}</p></header>\n",
        prose(&document["info"]["description"])
    );
    let (mut index, mut sections) = (String::from("<nav><ul>"), String::new());
    for tag in document["tags"].as_array().into_iter().flatten() {
        section(document, tag, &mut index, &mut sections);
    }
    out += &index;
    out += "</ul></nav>\n<main>";
    out += &sections;
    out += "</main></body></html>\n";
    out
}

/// Adds the operations of a tag.
fn section(document: &Value, tag: &Value, index: &mut String, out: &mut String) {
    let name = text(&tag["name"]);
    let anchor = name.replace(' ', "-");
    push(index, format_args!("<li><a href=\"#{anchor}\">{name}</a><ul>"));
    push(
        out,
        format_args!("\n<section id=\"{anchor}\"><h2>{name}</h2><p>{}</p>", prose(&tag["description"])),
    );
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if operation["tags"][0] == tag["name"] {
                let id = text(&operation["operationId"]);
                let (shown, path) = (method.to_uppercase(), escape(path));
                push(index, format_args!("<li><a href=\"#{id}\"><b>{shown}</b> {path}</a></li>"));
                push(out, format_args!("\n<article id=\"{id}\"><h3><b>{shown}</b> <code>{path}</code></h3>"));
                describe(document, operation, out);
                out.push_str("</article>");
            }
        }
    }
    index.push_str("</ul></li>");
    out.push_str("</section>");
}

fn describe(document: &Value, operation: &Value, out: &mut String) {
    push(out, format_args!("<p><strong>{}</strong>", prose(&operation["summary"])));
    if operation["description"].is_string() {
        push(out, format_args!(" {}", prose(&operation["description"])));
    }
    out.push_str("</p>");
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.push_str("<table><caption>Parameters</caption>");
        for parameter in parameters {
            let shape = format!("{} · {}", text(&parameter["in"]), kind(document, &parameter["schema"]));
            row(out, &text(&parameter["name"]), &shape, &parameter["description"]);
        }
        out.push_str("</table>");
    }
    let body = &operation["requestBody"]["content"];
    for (media, content) in body.as_object().into_iter().flatten() {
        push(out, format_args!("<table><caption>Body, {}</caption>", escape(media)));
        fields(document, &content["schema"], "", 0, out);
        out.push_str("</table>");
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        push(
            out,
            format_args!(
                "<details><summary><code>{}</code> {}</summary>",
                escape(status),
                prose(&answer["description"])
            ),
        );
        for (media, content) in answer["content"].as_object().into_iter().flatten() {
            push(out, format_args!("<table><caption>{}</caption>", escape(media)));
            fields(document, &content["schema"], "", 0, out);
            out.push_str("</table>");
        }
        out.push_str("</details>");
    }
}

/// Adds the fields of a schema, those of objects in it below them.
fn fields(document: &Value, schema: &Value, path: &str, depth: usize, out: &mut String) {
    let schema = resolved(document, schema);
    if depth == 0 && schema["properties"].is_null() {
        row(out, "", &kind(document, schema), &schema["description"]);
    }
    let no_fields = Map::new();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().unwrap_or(&no_fields) {
        let (path, target) = (format!("{path}{}", escape(name)), resolved(document, property));
        let mut shape = kind(document, property);
        if required.contains(&name.as_str()) {
            shape += " · required";
        }
        let description = if property["description"].is_string() { property } else { target };
        row(out, &path, &shape, &description["description"]);
        if depth + 1 < DEPTH_MAX {
            fields(document, property, &format!("{path}."), depth + 1, out);
            if target["items"].is_object() {
                fields(document, &target["items"], &format!("{path}[]."), depth + 1, out);
            }
        }
    }
    for option in ["anyOf", "oneOf"].into_iter().flat_map(|several| schema[several].as_array()).flatten() {
        if depth < DEPTH_MAX && !resolved(document, option)["properties"].is_null() {
            fields(document, option, path, depth + 1, out);
        }
    }
}

fn row(out: &mut String, name: &str, kind: &str, description: &Value) {
    push(
        out,
        format_args!("<tr><td><code>{name}</code></td><td>{kind}</td><td>{}</td></tr>", prose(description)),
    );
}

/// The schema that a reference leads to.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let target = reference.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// The type of a value, in a few words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> =
            values.iter().map(|value| format!("<code>{}</code>", text(value))).collect();
        return values.join(" | ");
    }
    let several = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    if let Some(several) = several {
        let mut kinds: Vec<String> = several.iter().map(|one| kind(document, one)).collect();
        kinds.dedup();
        return kinds.join(" | ");
    }
    let mut shape = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" | "),
        Value::String(kind) => escape(kind),
        _ if schema.get("const").is_some() => format!("<code>{}</code>", text(&schema["const"])),
        _ => "any JSON".to_owned(),
    };
    if shape == "array" {
        shape = format!("array of {}", kind(document, &schema["items"]));
    }
    let bounds = [
        ("minimum", "from"),
        ("maximum", "to"),
        ("maxLength", "at most"),
        ("maxItems", "at most"),
        ("default", "by default"),
    ];
    for (bound, word) in bounds {
        if let Some(value) = schema.get(bound) {
            push(&mut shape, format_args!(", {word} {}", text(value)));
        }
    }
    shape
}

/// Text with what is between backticks as code.
fn prose(value: &Value) -> String {
    let text = text(value);
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return text;
    }
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        out += &if number % 2 == 1 { format!("<code>{part}</code>") } else { (*part).to_owned() };
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::Audience;
    use crate::config::IngestConfig;
    use crate::{openapi, routes};
    use serde_json::json;

    #[test]
    fn every_operation_and_every_word_of_it_is_on_the_page() {
        for audience in [Audience::Customers, Audience::Operators] {
            let document = openapi::document(audience, routes::all(), &IngestConfig::default());
            let page = page(&document);
            for (path, item) in document["paths"].as_object().unwrap() {
                for (method, operation) in item.as_object().unwrap() {
                    let head = format!("<h3><b>{}</b> <code>{path}</code></h3>", method.to_uppercase());
                    let id = operation["operationId"].as_str().unwrap();
                    assert!(
                        page.contains(&head) && page.contains(&format!("href=\"#{id}\"")),
                        "{method} {path}"
                    );
                    assert!(page.contains(&prose(&operation["summary"])), "{method} {path}");
                }
            }
            assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("style="));
            assert!(page.len() < 600_000, "{}", page.len());
        }
    }

    #[test]
    fn nothing_of_the_description_becomes_markup() {
        let document = json!({
            "info": { "title": "<script>", "version": "1", "description": "a `b<c` & \"d\"" },
            "tags": [{ "name": "t", "description": "" }],
            "paths": { "/x/{id}": { "get": { "tags": ["t"], "operationId": "o", "summary": "</p><img>" } } },
        });
        let page = page(&document);
        assert!(!page.contains("<script>") && !page.contains("<img>"), "{page}");
        assert!(page.contains("a <code>b&lt;c</code> &amp; &quot;d&quot;"), "{page}");
    }
}
