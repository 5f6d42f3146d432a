//! The documents are true: what they name exists.

use std::collections::HashMap;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_the_table_names_exists() {
    let table = read("docs/api-tests.md");
    let mut files: HashMap<String, String> = HashMap::new();
    let mut named = 0;
    for (file, test) in quoted(&table).filter_map(|name| name.split_once(".rs::")) {
        let place = file.replacen("edge/", "ingest/tests/edge/", usize::from(file.starts_with("edge/")));
        let place = place.replacen("e2e/", "tests/e2e/", usize::from(place.starts_with("e2e/")));
        let source = files.entry(place.clone()).or_insert_with(|| read(&format!("{place}.rs")));
        let Some(at) = source.find(&format!("fn {test}(")) else { panic!("{place}.rs has no test {test}") };
        // Its attribute is not far above it; a property's stands over the macro's function.
        let head = &source[..at];
        let attribute = head.rfind("#[test]").max(head.rfind("#[tokio::test")).expect("an attribute");
        assert!(!head[attribute..].contains("\n}\n"), "{place}.rs: {test} is no test");
        named += 1;
    }
    assert!(named > 80, "{named}");
}

#[test]
fn every_route_of_the_router_is_in_the_table() {
    let (table, router) = (read("docs/api-tests.md"), read("ingest/src/router.rs"));
    let rows = router.lines().filter_map(|line| line.trim().strip_prefix("(\""));
    let mut routes = 0;
    for row in rows.filter(|row| row.contains("R::")) {
        let parts: Vec<&str> = row.split('"').collect();
        let [path, _, method, ..] = parts[..] else { panic!("a row of the router: {row}") };
        let version = if path.starts_with("/admin")
            || path.starts_with("/health")
            || ["/readyz", "/openapi.json", "/metrics"].contains(&path)
        {
            ""
        } else {
            "/v1"
        };
        let route = format!("{method} {version}{path}");
        assert!(quoted(&table).any(|quoted| quoted == route), "{route} is not in docs/api-tests.md");
        routes += 1;
    }
    assert!(routes >= 30, "{routes}");
}
