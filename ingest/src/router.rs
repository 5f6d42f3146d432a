//! Which request goes where.

use crate::service::Door;
use http::Method;
use std::collections::HashMap;

macro_rules! routes {
    ($($route:ident $name:literal),* $(,)?) => {
        /// What a request asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Route {
            $($route),*
        }

        impl Route {
            /// Every route, in the order of their numbers.
            pub(crate) const ALL: [Self; [$($name),*].len()] = [$(Self::$route),*];

            /// Their names, in the same order.
            pub(crate) const NAMES: &'static [&'static str] = &[$($name),*];

            /// The route's name in metrics.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$route => $name),*
                }
            }
        }
    };
}

routes! {
    Produce "produce",
    GetEvent "get_event",
    AckEvent "ack_event",
    Inbox "inbox",
    AckInbox "ack_inbox",
    Stream "stream",
    CreateSubscription "create_subscription",
    ListSubscriptions "list_subscriptions",
    GetSubscription "get_subscription",
    PatchSubscription "patch_subscription",
    DeleteSubscription "delete_subscription",
    RotateSecret "rotate_secret",
    EnableSubscription "enable_subscription",
    TestEvent "test_event",
    ListDeliveries "list_deliveries",
    CreateReplay "create_replay",
    ListReplays "list_replays",
    GetReplay "get_replay",
    CancelReplay "cancel_replay",
    ListDeadLetters "list_dead_letters",
    DeleteDeadLetters "delete_dead_letters",
    DeleteDeadLetter "delete_dead_letter",
    Redrive "redrive",
    CreateCustomer "create_customer",
    ListCustomers "list_customers",
    GetCustomer "get_customer",
    PatchCustomer "patch_customer",
    CreateKey "create_key",
    ListKeys "list_keys",
    RevokeKey "revoke_key",
    TestCustomer "test_customer",
    TestSubscription "test_subscription",
    Health "health",
    Live "live",
    Ready "ready",
    Metrics "metrics",
    OpenApi "openapi",
    None "none",
}

/// Whom a route asks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Open,
    /// The holder of a customer's key.
    Customer,
    /// The holder of the admin token.
    Admin,
}

use Route as R;

/// `{customer}` is put before these under `/admin/customers/`.
const SUBSCRIPTIONS: [(&str, &str, Route); 9] = [
    ("/subscriptions", "POST", R::CreateSubscription),
    ("/subscriptions", "GET", R::ListSubscriptions),
    ("/subscriptions/{id}", "GET", R::GetSubscription),
    ("/subscriptions/{id}", "PATCH", R::PatchSubscription),
    ("/subscriptions/{id}", "DELETE", R::DeleteSubscription),
    ("/subscriptions/{id}/rotate-secret", "POST", R::RotateSecret),
    ("/subscriptions/{id}/enable", "POST", R::EnableSubscription),
    ("/subscriptions/{id}/test", "POST", R::TestEvent),
    ("/subscriptions/{id}/deliveries", "GET", R::ListDeliveries),
];

/// Under `/v1`, `/api/v1` and `/` itself.
const READING: [(&str, &str, Route); 6] = [
    ("/events", "POST", R::Produce),
    ("/events/{id}", "GET", R::GetEvent),
    ("/events/{id}/ack", "POST", R::AckEvent),
    ("/events/{id}/ack", "DELETE", R::AckEvent),
    ("/inbox", "GET", R::Inbox),
    ("/inbox/ack", "POST", R::AckInbox),
];

/// Under `/v1` and `/api/v1`.
const DEAD_LETTERS: [(&str, &str, Route); 9] = [
    ("/stream", "GET", R::Stream),
    ("/dead-letters", "GET", R::ListDeadLetters),
    ("/dead-letters", "DELETE", R::DeleteDeadLetters),
    ("/dead-letters/{id}", "DELETE", R::DeleteDeadLetter),
    ("/dead-letters/redrive", "POST", R::Redrive),
    ("/replay", "POST", R::CreateReplay),
    ("/replay", "GET", R::ListReplays),
    ("/replay/{id}", "GET", R::GetReplay),
    ("/replay/{id}", "DELETE", R::CancelReplay),
];

const ADMIN: [(&str, &str, Route); 9] = [
    ("/admin/customers", "POST", R::CreateCustomer),
    ("/admin/customers", "GET", R::ListCustomers),
    ("/admin/customers/{customer}", "GET", R::GetCustomer),
    ("/admin/customers/{customer}", "PATCH", R::PatchCustomer),
    ("/admin/customers/{customer}/keys", "POST", R::CreateKey),
    ("/admin/customers/{customer}/keys", "GET", R::ListKeys),
    ("/admin/customers/{customer}/keys/{id}", "DELETE", R::RevokeKey),
    ("/admin/test-customer", "POST", R::TestCustomer),
    ("/admin/test-subscription", "POST", R::TestSubscription),
];

const HEALTH: [(&str, &str, Route); 4] = [
    ("/health", "GET", R::Health),
    ("/healthz", "GET", R::Live),
    ("/readyz", "GET", R::Ready),
    ("/openapi.json", "GET", R::OpenApi),
];

/// The routes of a listener by their canonical paths, without the aliases.
pub(crate) fn canonical(door: Door, metrics_on_public: bool) -> Vec<(String, &'static str, Route)> {
    let under = |prefix: &'static str, table: &[(&str, &'static str, Route)]| {
        let full = |(path, method, route): &(&str, &'static str, Route)| {
            (format!("{prefix}{path}"), *method, *route)
        };
        table.iter().map(full).collect::<Vec<_>>()
    };
    let metrics = [("/metrics", "GET", R::Metrics)];
    let parts = match door {
        Door::Public => vec![
            under("/v1", &READING),
            under("/v1", &SUBSCRIPTIONS),
            under("/v1", &DEAD_LETTERS),
            under("", &HEALTH),
            under("", &metrics[..usize::from(metrics_on_public)]),
        ],
        Door::Admin => vec![
            under("", &ADMIN),
            under("/admin/customers/{customer}", &SUBSCRIPTIONS),
            under("", &HEALTH),
            under("", &metrics),
        ],
    };
    parts.concat()
}

/// What a path can be asked.
#[derive(Debug, Default)]
struct Methods {
    routes: Vec<(Method, Route)>,
    allow: String,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'r, 'p> {
    /// There, with what its path names.
    Route(Route, Params<'p>),
    /// The path is known, the method is not one of its own.
    Method { allow: &'r str },
    /// Nowhere.
    Nothing,
}

/// What a path names; empty where its route has no such part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Params<'p> {
    pub customer: &'p str,
    pub id: &'p str,
}

/// The routes of one listener.
pub(crate) struct Router {
    paths: matchit::Router<Methods>,
    access: Access,
    /// Whether `POST /v1/events` is one of them.
    produces: bool,
}

impl Router {
    /// What customers can ask.
    pub(crate) fn public(metrics: bool) -> Self {
        let mut routes = Vec::new();
        for prefix in ["/v1", "/api/v1"] {
            let under = SUBSCRIPTIONS.iter().chain(&READING).chain(&DEAD_LETTERS);
            routes.extend(under.map(|(path, method, route)| (format!("{prefix}{path}"), *method, *route)));
        }
        routes.extend(
            READING.iter().chain(&HEALTH).map(|(path, method, route)| ((*path).to_owned(), *method, *route)),
        );
        if metrics {
            routes.push(("/metrics".to_owned(), "GET", R::Metrics));
        }
        Self::new(routes, Access::Customer)
    }

    /// What operators can ask.
    pub(crate) fn admin() -> Self {
        let mut routes: Vec<_> = ADMIN
            .iter()
            .chain(&HEALTH)
            .map(|(path, method, route)| ((*path).to_owned(), *method, *route))
            .collect();
        let customer = "/admin/customers/{customer}";
        routes.extend(
            SUBSCRIPTIONS.iter().map(|(path, method, route)| (format!("{customer}{path}"), *method, *route)),
        );
        routes.push(("/metrics".to_owned(), "GET", R::Metrics));
        Self::new(routes, Access::Admin)
    }

    fn new(routes: Vec<(String, &'static str, Route)>, access: Access) -> Self {
        let mut by_path: HashMap<String, Methods> = HashMap::new();
        let mut produces = false;
        for (path, method, route) in routes {
            produces |= route == R::Produce;
            let methods = by_path.entry(path).or_default();
            let separator = if methods.allow.is_empty() { "" } else { ", " };
            methods.allow = format!("{}{separator}{method}", methods.allow);
            methods.routes.push((Method::try_from(method).expect("a method's name"), route));
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths.insert(path, methods).expect("the tables hold no two paths alike");
        }
        Self { paths, access, produces }
    }

    /// Where a request goes.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> Found<'_, 'p> {
        // By far the most requests.
        if self.produces && path == "/v1/events" && method == Method::POST {
            return Found::Route(R::Produce, Params::default());
        }
        let Ok(found) = self.paths.at(path) else { return Found::Nothing };
        let Methods { routes, allow } = found.value;
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        match routes.iter().find(|(of, _)| of == wanted) {
            Some((_, route)) => {
                let param = |name| found.params.get(name).unwrap_or_default();
                Found::Route(*route, Params { customer: param("customer"), id: param("id") })
            }
            None => Found::Method { allow },
        }
    }

    /// Whom a route of this listener asks for credentials.
    pub(crate) const fn access(&self, route: Route) -> Access {
        match route {
            R::Health | R::Live | R::Ready | R::Metrics | R::OpenApi | R::None => Access::Open,
            _ => self.access,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'p>(router: &Router, method: &Method, path: &'p str) -> Option<(Route, Params<'p>)> {
        match router.find(method, path) {
            Found::Route(route, params) => Some((route, params)),
            _ => None,
        }
    }

    #[test]
    fn aliases_lead_to_the_same_routes() {
        let router = Router::public(true);
        for path in ["/v1/events", "/api/v1/events", "/events"] {
            assert_eq!(found(&router, &Method::POST, path).unwrap().0, R::Produce);
        }
        for path in ["/v1/events/7/ack", "/api/v1/events/7/ack", "/events/7/ack"] {
            for method in [Method::POST, Method::DELETE] {
                let (route, params) = found(&router, &method, path).unwrap();
                assert_eq!((route, params.id), (R::AckEvent, "7"));
            }
        }
        assert_eq!(found(&router, &Method::POST, "/v1/dead-letters/redrive").unwrap().0, R::Redrive);
        assert_eq!(found(&router, &Method::DELETE, "/v1/dead-letters/x").unwrap().1.id, "x");
    }

    #[test]
    fn every_canonical_path_leads_to_its_route() {
        for (door, router) in [(Door::Public, Router::public(true)), (Door::Admin, Router::admin())] {
            for (path, method, route) in canonical(door, true) {
                let method = Method::try_from(method).unwrap();
                assert_eq!(found(&router, &method, &path).unwrap().0, route, "{method} {path}");
            }
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones_and_a_wrong_path_nothing() {
        let router = Router::public(false);
        assert_eq!(router.find(&Method::PUT, "/v1/events"), Found::Method { allow: "POST" });
        assert_eq!(router.find(&Method::PUT, "/v1/inbox"), Found::Method { allow: "GET" });
        assert_eq!(found(&router, &Method::HEAD, "/v1/inbox").unwrap().0, R::Inbox);
        for path in ["/", "", "*", "/v1/events/", "/v1//events", "/metrics", "/admin/customers", "/v2/events"]
        {
            assert_eq!(router.find(&Method::GET, path), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn the_admin_listener_serves_no_customer_and_the_public_one_no_operator() {
        let (public, admin) = (Router::public(true), Router::admin());
        assert_eq!(admin.find(&Method::POST, "/v1/events"), Found::Nothing);
        assert_eq!(public.find(&Method::POST, "/admin/customers"), Found::Nothing);
        let path = "/admin/customers/c/subscriptions/s/enable";
        let (route, params) = found(&admin, &Method::POST, path).unwrap();
        assert_eq!((route, params), (R::EnableSubscription, Params { customer: "c", id: "s" }));
        assert_eq!(admin.access(route), Access::Admin);
        assert_eq!(public.access(R::Produce), Access::Customer);
        assert_eq!(public.access(R::Ready), Access::Open);
    }
}
