//! `/openapi.json`: what a listener can be asked, as OpenAPI 3.1.
//!
//! It is made from what the edge works with: the paths are the router's own
//! tables, every [`Route`] must say what it is (the compiler asks for it), and
//! the limits are those of this deployment's configuration. A listener
//! describes itself: each path in its document works where it was read.

mod operation;
mod operations;
mod parts;
mod schemas;

use crate::config::EdgeConfig;
use crate::router::{Access, Route, Router, canonical};
use crate::service::Door;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// The document of a listener.
pub(crate) fn document(door: Door, router: &Router, config: &EdgeConfig) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut ids = HashSet::new();
    for (path, method, route) in canonical(door, config.metrics_on_public) {
        let operation = operations::of(route, config).json(&Place {
            id: unique(&mut ids, route, method),
            path: &path,
            access: router.access(route),
        });
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = operation;
    }
    let schemas = reachable(&paths, "schemas", schemas::all(config));
    let headers = reachable(&paths, "headers", parts::headers());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": match door {
                Door::Public => "Sluice",
                Door::Admin => "Sluice for operators",
            },
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(door),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        // Relative (OpenAPI 3.1, 4.8.5): this listener, whatever its address.
        "servers": [{ "url": "/" }],
        "tags": operation::tags(door),
        "paths": paths,
        "components": {
            "securitySchemes": security(door),
            "schemas": schemas,
            "headers": headers,
        },
    })
}

/// The components of a section that the paths lead to: what a listener does
/// not use it does not tell.
fn reachable(paths: &Map<String, Value>, section: &str, all: Map<String, Value>) -> Map<String, Value> {
    let mut used = HashSet::new();
    let prefix = format!("#/components/{section}/");
    paths.values().for_each(|item| note_references(item, &prefix, &all, &mut used));
    all.into_iter().filter(|(name, _)| used.contains(name)).collect()
}

fn note_references(value: &Value, prefix: &str, all: &Map<String, Value>, used: &mut HashSet<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|of| of.strip_prefix(prefix));
            if let Some(schema) = name.and_then(|name| all.get(name).filter(|_| used.insert(name.to_owned())))
            {
                note_references(schema, prefix, all, used);
            }
            fields.values().for_each(|value| note_references(value, prefix, all, used));
        }
        Value::Array(all_of) => all_of.iter().for_each(|value| note_references(value, prefix, all, used)),
        _ => {}
    }
}

/// Where an operation is.
struct Place<'a> {
    id: String,
    path: &'a str,
    access: Access,
}

/// A route's name; with its method where two methods lead to one route.
fn unique(ids: &mut HashSet<String>, route: Route, method: &str) -> String {
    let id = route.name().to_owned();
    if ids.insert(id.clone()) {
        return id;
    }
    let id = format!("{id}_{}", method.to_ascii_lowercase());
    ids.insert(id.clone());
    id
}

fn description(door: Door) -> &'static str {
    match door {
        Door::Public => {
            "Events in over HTTP, durable before they are answered 202; batched signed webhooks out. \
             `/api/v1/…` answers as `/v1/…` does, and `/events` and `/inbox` (with what is below them) \
             as `/v1/events` and `/v1/inbox`. Operators have a listener of their own, which describes \
             itself at its own `/openapi.json`. What is not HTTP is refused as the connection's last \
             answer, in the shape of every refusal: 400 `MALFORMED_REQUEST`, 414 `URI_TOO_LONG`, \
             431 `HEADERS_TOO_LARGE`."
        }
        Door::Admin => {
            "Customers, their keys and their subscriptions. What customers ask is described at the \
             public listener's `/openapi.json`."
        }
    }
}

fn security(door: Door) -> Value {
    match door {
        Door::Public => json!({
            "bearer": { "type": "http", "scheme": "bearer", "description": "A customer's key, `sk_live_…` or `sk_test_…`." },
            "api_key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key." },
        }),
        Door::Admin => json!({
            "admin_token": { "type": "http", "scheme": "bearer", "description": "The admin token." },
        }),
    }
}

#[cfg(test)]
mod tests;
