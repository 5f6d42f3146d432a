//! Checks the documents: the tests, routes and files that they name exist.

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The sources below a directory.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    let skipped = ["target", ".git", "node_modules"];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !skipped.contains(&name) {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions of the workspace.
fn functions() -> HashSet<String> {
    let mut files = Vec::new();
    sources(root(), &mut files);
    let mut names = HashSet::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        for part in source.split("fn ").skip(1) {
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(part.len());
            names.insert(part[..end].to_owned());
        }
    }
    names
}

#[test]
fn every_test_that_the_table_names_exists() {
    let table = read("docs/api-tests.md");
    let mut files: HashMap<String, String> = HashMap::new();
    let mut named = 0;
    for (file, test) in quoted(&table).filter_map(|name| name.split_once(".rs::")) {
        let place = file.replacen("api/", "ingest/tests/api/", usize::from(file.starts_with("api/")));
        let place = place.replacen("e2e/", "tests/e2e/", usize::from(place.starts_with("e2e/")));
        let source = files.entry(place.clone()).or_insert_with(|| read(&format!("{place}.rs")));
        let Some(at) = source.find(&format!("fn {test}(")) else { panic!("{place}.rs has no test {test}") };
        // The test's attribute is a few lines above it, also within a property test's macro.
        let head = &source[..at];
        let attribute = head.rfind("#[test]").max(head.rfind("#[tokio::test")).expect("an attribute");
        assert!(!head[attribute..].contains("\n}\n"), "{place}.rs: {test} is no test");
        named += 1;
    }
    assert!(named > 80, "{named}");
}

#[test]
fn every_route_of_the_router_is_in_the_table() {
    let table = read("docs/api-tests.md");
    let mut routes = 0;
    let [public, admin] = ["public", "admin"].map(|listener| -> Value {
        serde_json::from_str(&read(&format!("ingest/tests/golden/openapi-{listener}.json"))).unwrap()
    });
    let public = public["paths"].as_object().unwrap();
    for paths in [public, admin["paths"].as_object().unwrap()] {
        for (path, methods) in paths {
            // An operator's copy of a customer's route is covered by the customer's.
            let below = path.strip_prefix("/admin/customers/{customer_id}");
            if below.is_some_and(|below| public.contains_key(&format!("/v1{below}"))) {
                continue;
            }
            for method in methods.as_object().unwrap().keys() {
                let route = format!("{} {path}", method.to_uppercase());
                assert!(quoted(&table).any(|quoted| quoted == route), "{route} is not in docs/api-tests.md");
                routes += 1;
            }
        }
    }
    assert!(routes >= 30, "{routes}");
}

#[test]
fn every_file_of_the_walk_exists() {
    let walk = read("docs/walk.md");
    let files: Vec<&str> = quoted(&walk).filter(|name| name.ends_with(".rs")).collect();
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        assert!(root().join(file).is_file(), "docs/walk.md names {file}, which does not exist");
    }
}

#[test]
fn every_test_that_holds_a_fault_exists() {
    let (table, functions) = (read("docs/faults.md"), functions());
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| fault ")) {
        for name in row.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            // Names of tests are sentences.
            let is_sentence = name.matches('_').count() >= 4 && !name.starts_with("sluice_");
            if is_sentence && name.chars().all(|c| !c.is_ascii_uppercase()) {
                assert!(functions.contains(name), "docs/faults.md names {name}, which does not exist");
                named += 1;
            }
        }
    }
    assert!(named > 80, "{named}");
}
