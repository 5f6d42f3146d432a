//! `/openapi.json`: the requests that a listener takes, as OpenAPI 3.1.
//!
//! The paths and operations come from the table of routes, and the limits from
//! this deployment's configuration. A listener describes itself, so each path
//! works where its description was read.

mod schemas;

use crate::audience::Audience;
use crate::config::IngestConfig;
use crate::describe::{self, OperationPlace, parts};
use crate::route::Route;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// The document of a listener that serves these routes.
pub(crate) fn document<'r>(
    audience: Audience,
    routes: impl Iterator<Item = &'r Route>,
    config: &IngestConfig,
) -> Value {
    let paths = paths(audience, routes, config);
    let schemas = reachable(&paths, "schemas", schemas::all(config));
    let headers = reachable(&paths, "headers", parts::headers());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": match audience {
                Audience::Customers => "Sluice",
                Audience::Operators => "Sluice for operators",
            },
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(audience),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "externalDocs": { "description": "This document as a page for people", "url": "/docs" },
        // Relative (OpenAPI 3.1, 4.8.5): this listener, whatever its address.
        "servers": [{ "url": "/" }],
        "tags": describe::tags(audience),
        "paths": paths,
        "components": {
            "securitySchemes": security(audience),
            "schemas": schemas,
            "headers": headers,
        },
    })
}

/// The operations of a listener by their canonical paths.
fn paths<'r>(
    audience: Audience,
    routes: impl Iterator<Item = &'r Route>,
    config: &IngestConfig,
) -> Map<String, Value> {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let Some(prefix) = route.root.prefixes(audience, config.metrics_on_public).first() else { continue };
        let path = format!("{prefix}{}", route.path);
        if !(route.describe)(config).is_described() {
            continue;
        }
        for (nth, method) in route.methods.iter().enumerate() {
            let method = method.to_ascii_lowercase();
            let place = OperationPlace {
                id: if nth == 0 { route.name.to_owned() } else { format!("{}_{method}", route.name) },
                path: &path,
                access: route.root.access(audience),
                needs: route.root.needs(),
            };
            let operation = (route.describe)(config).json(&place);
            paths.entry(path.clone()).or_insert_with(|| json!({}))[method] = operation;
        }
    }
    paths
}

/// The components of a section to which the paths lead. A listener does not
/// describe the others.
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
            let name = reference.and_then(|reference| reference.strip_prefix(prefix));
            if let Some(schema) = name.and_then(|name| all.get(name).filter(|_| used.insert(name.to_owned())))
            {
                note_references(schema, prefix, all, used);
            }
            fields.values().for_each(|value| note_references(value, prefix, all, used));
        }
        Value::Array(items) => items.iter().for_each(|value| note_references(value, prefix, all, used)),
        _ => {}
    }
}

fn description(audience: Audience) -> &'static str {
    match audience {
        Audience::Customers => {
            "Sluice takes events over HTTP, stores them durably before it answers 202, and delivers them in \
             batched, signed webhooks. `/api/v1/…` is the same as `/v1/…`; `/events` and `/inbox` and the \
             paths below them are the same as `/v1/events` and `/v1/inbox`. Operators have a listener of \
             their own, which describes itself at its own `/openapi.json`. Bytes that are not HTTP, and a \
             target or a head that is too long, get a status without a body (400, 414, 431), and the \
             connection ends. `/docs` shows this description as a page."
        }
        Audience::Operators => {
            "The API for operators: customers and their keys, and below `/admin/customers/{customer_id}` \
             everything that the customer itself can do at the public listener. What a suspended customer \
             has can be read and changed there, but no new events are accepted for it."
        }
    }
}

fn security(audience: Audience) -> Value {
    match audience {
        Audience::Customers => json!({
            "bearer": { "type": "http", "scheme": "bearer", "description": "A customer's key, `sk_live_…` or `sk_test_…`. Each operation names the scopes that the key needs." },
            "api_key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key." },
        }),
        Audience::Operators => json!({
            "admin_token": { "type": "http", "scheme": "bearer", "description": "The admin token." },
        }),
    }
}

#[cfg(test)]
mod tests;
