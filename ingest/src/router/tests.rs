use super::*;
use crate::audience::RouteAccess;
use crate::routes;

fn router(audience: Audience, metrics_on_public: bool) -> Router {
    Router::new(routes::all(), audience, metrics_on_public)
}

/// The name of a request's route, and what its path names.
fn found<'p>(router: &Router, method: &Method, path: &'p str) -> Option<(&'static str, PathParams<'p>)> {
    match router.find(method, path) {
        RouteMatch::Route(entry, params) => Some((entry.route.name, params)),
        _ => None,
    }
}

fn is_nowhere(router: &Router, method: &Method, path: &str) -> bool {
    matches!(router.find(method, path), RouteMatch::NoSuchPath)
}

#[test]
fn aliases_lead_to_the_same_routes() {
    let router = router(Audience::Customers, true);
    for path in ["/v1/events", "/api/v1/events", "/events"] {
        assert_eq!(found(&router, &Method::POST, path).unwrap().0, "produce");
    }
    for path in ["/v1/events/7/ack", "/api/v1/events/7/ack", "/events/7/ack"] {
        for method in [Method::POST, Method::DELETE] {
            let (name, params) = found(&router, &method, path).unwrap();
            assert_eq!((name, params.id), ("ack_event", "7"));
        }
    }
    assert_eq!(found(&router, &Method::POST, "/v1/dead-letters/redrive").unwrap().0, "redrive");
    assert_eq!(found(&router, &Method::DELETE, "/v1/dead-letters/x").unwrap().1.id, "x");
}

#[test]
fn every_row_of_the_table_leads_to_itself() {
    for audience in [Audience::Customers, Audience::Operators] {
        let router = router(audience, true);
        for (index, route) in routes::all().enumerate() {
            for (prefix, method) in route
                .root
                .prefixes(audience, true)
                .iter()
                .flat_map(|prefix| route.methods.iter().map(move |method| (prefix, *method)))
            {
                let path = format!("{prefix}{}", route.path);
                let method = Method::try_from(method).unwrap();
                let RouteMatch::Route(entry, _) = router.find(&method, &path) else {
                    panic!("{method} {path} leads nowhere")
                };
                assert_eq!((entry.index, entry.route.name), (index, route.name), "{method} {path}");
            }
        }
    }
}

#[test]
fn names_of_routes_are_unique() {
    let mut names = routes::NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), routes::NAMES.len());
    assert_eq!(routes::all().map(|route| route.name).collect::<Vec<_>>(), routes::NAMES[..routes::NONE]);
}

#[test]
fn a_wrong_method_is_told_the_right_ones_and_a_wrong_path_nothing() {
    let router = router(Audience::Customers, false);
    for (path, methods) in
        [("/v1/events", "POST"), ("/v1/inbox", "GET"), ("/v1/events/7/ack", "POST, DELETE")]
    {
        assert!(
            matches!(router.find(&Method::PUT, path), RouteMatch::WrongMethod { allow } if allow == methods),
            "{path}"
        );
    }
    assert_eq!(found(&router, &Method::HEAD, "/v1/inbox").unwrap().0, "inbox");
    for path in ["/", "", "*", "/v1/events/", "/v1//events", "/metrics", "/admin/customers", "/v2/events"] {
        assert!(is_nowhere(&router, &Method::GET, path), "{path}");
    }
}

#[test]
fn every_route_of_customers_is_there_for_operators_below_the_customer() {
    let admin = router(Audience::Operators, false);
    let of_customers =
        routes::all().filter(|route| route.root.access(Audience::Customers) == RouteAccess::Customer);
    let of_customers =
        of_customers.filter(|route| !route.root.prefixes(Audience::Customers, false).is_empty());
    let mut names = Vec::new();
    for route in of_customers {
        for method in route.methods {
            let path = format!("/admin/customers/c{}", route.path.replace("{id}", "i"));
            let method = Method::try_from(*method).unwrap();
            let (name, params) = found(&admin, &method, &path).unwrap_or_else(|| panic!("{method} {path}"));
            assert_eq!((name, params.customer), (route.name, "c"));
            names.push(name);
        }
        assert_eq!(route.root.access(Audience::Operators), RouteAccess::Admin);
    }
    for expected in ["produce", "inbox", "stream", "resend_event", "redrive", "create_replay"] {
        assert!(names.contains(&expected), "{expected}: {names:?}");
    }
}

#[test]
fn the_admin_listener_serves_no_customer_and_the_public_one_no_operator() {
    let (public, admin) = (router(Audience::Customers, true), router(Audience::Operators, true));
    assert!(is_nowhere(&admin, &Method::POST, "/v1/events"));
    assert!(is_nowhere(&public, &Method::POST, "/admin/customers"));
    let path = "/admin/customers/c/subscriptions/s/enable";
    let (name, params) = found(&admin, &Method::POST, path).unwrap();
    assert_eq!((name, params), ("enable_subscription", PathParams { customer: "c", id: "s", name: "" }));
    assert!(is_nowhere(&public, &Method::POST, path));
    let access = |name: &str, audience| {
        routes::all().find(|route| route.name == name).map(|route| route.root.access(audience)).unwrap()
    };
    assert_eq!(access("enable_subscription", Audience::Operators), RouteAccess::Admin);
    assert_eq!(access("produce", Audience::Customers), RouteAccess::Customer);
    assert_eq!(access("ready", Audience::Customers), RouteAccess::Open);
}
