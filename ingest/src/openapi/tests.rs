use super::*;
use crate::routes;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn documents() -> [(&'static str, Audience, Value); 2] {
    let config = IngestConfig::default();
    [
        ("openapi-public.json", Audience::Customers, document(Audience::Customers, routes::all(), &config)),
        ("openapi-admin.json", Audience::Operators, document(Audience::Operators, routes::all(), &config)),
    ]
}

fn walk<'v>(value: &'v Value, see: &mut impl FnMut(&'v str, &'v Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            see(name, value);
            walk(value, see);
        }),
        Value::Array(all) => all.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

/// A change of the API is a change of these files, for all to see. To write
/// them anew: `SLUICE_TEST_WRITE=1 cargo test -p sluice-ingest openapi`.
#[test]
fn the_description_is_the_golden_copy() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, _, document) in documents() {
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        let path = dir.join(name);
        #[expect(clippy::disallowed_methods, reason = "a setting of this test")]
        if std::env::var("SLUICE_TEST_WRITE").is_ok() {
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(golden == text, "{name} is not what the code describes; see the comment at this test");
    }
}

#[test]
fn every_route_is_described_once_and_nothing_else_is() {
    for (name, audience, document) in documents() {
        let mut described = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                described.insert((path.clone(), method.to_ascii_uppercase()));
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{name}: {id} twice");
            }
        }
        let mut routes = BTreeSet::new();
        let config = IngestConfig::default();
        for route in routes::all().filter(|route| (route.describe)(&config).is_described()) {
            for method in route.methods {
                let prefix = route.root.prefixes(audience, true).first();
                routes.extend(prefix.map(|prefix| (format!("{prefix}{}", route.path), (*method).to_owned())));
            }
        }
        assert_eq!(described, routes, "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    for (name, _, document) in &documents() {
        let mut used = BTreeSet::new();
        walk(document, &mut |field, value| {
            if field == "$ref" {
                let reference = value.as_str().unwrap();
                used.insert(reference.to_owned());
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{name}: {reference}");
            }
        });
        let schemas = document["components"]["schemas"].as_object().unwrap().keys();
        let known = schemas.map(|schema| format!("#/components/schemas/{schema}"));
        let unused: Vec<_> = known.filter(|schema| !used.contains(schema)).collect();
        assert!(unused.is_empty(), "{name}: {unused:?}");
    }
    let all = schemas::all(&IngestConfig::default());
    let told = |name: &String| {
        documents().iter().any(|(_, _, document)| !document["components"]["schemas"][name].is_null())
    };
    let untold: Vec<_> = all.keys().filter(|name| !told(name)).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

#[test]
fn the_limits_are_those_of_the_configuration() {
    let mut config = IngestConfig::default();
    config.limits.request_events_max = 77;
    let document = document(Audience::Customers, routes::all(), &config);
    let body = &document["components"]["schemas"]["EventsBody"]["anyOf"];
    assert_eq!(body[1]["maxItems"], 77);
    assert!(document["paths"]["/v1/events"]["post"]["description"].as_str().unwrap().contains("77 events"));
}
