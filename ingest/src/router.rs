//! Finds the route of a request.

use crate::audience::Audience;
use crate::config::IngestConfig;
use crate::request::PathParams;
use crate::route::Route;
use http::Method;
use std::collections::HashMap;

/// A route with its index in the table.
#[derive(Clone, Copy)]
pub(crate) struct RouteEntry {
    pub route: &'static Route,
    pub index: usize,
    /// Whether the route describes parameters of the query.
    pub takes_query: bool,
}

/// The routes of one path.
#[derive(Default)]
struct PathRoutes {
    by_method: Vec<(Method, RouteEntry)>,
    /// The methods, as `Allow` lists them.
    allow: String,
}

/// Where a request goes.
pub(crate) enum RouteMatch<'r, 'p> {
    /// To this route, with the values that its path holds.
    Route(RouteEntry, PathParams<'p>),
    /// Nowhere: the path exists, but takes only these methods.
    WrongMethod { allow: &'r str },
    /// Nowhere: the path does not exist.
    NoSuchPath,
}

/// The routes of one listener.
pub(crate) struct Router {
    paths: matchit::Router<PathRoutes>,
}

impl Router {
    /// The router of a listener, made from the table of all routes.
    pub(crate) fn new(
        table: impl Iterator<Item = &'static Route>,
        audience: Audience,
        metrics_on_public: bool,
    ) -> Self {
        let mut by_path: HashMap<String, PathRoutes> = HashMap::new();
        let defaults = IngestConfig::default();
        for (index, route) in table.enumerate() {
            let takes_query = (route.describe)(&defaults).takes_query();
            for prefix in route.root.prefixes(audience, metrics_on_public) {
                let path = by_path.entry(format!("{prefix}{}", route.path)).or_default();
                for method in route.methods {
                    path.add(method, RouteEntry { route, index, takes_query });
                }
            }
        }
        let mut paths = matchit::Router::new();
        for (path, routes) in by_path {
            paths.insert(path, routes).expect("the table holds no two paths alike");
        }
        Self { paths }
    }

    /// Finds the route of a request.
    pub(crate) fn find<'p>(&self, method: &Method, path: &'p str) -> RouteMatch<'_, 'p> {
        let Ok(found) = self.paths.at(path) else { return RouteMatch::NoSuchPath };
        let PathRoutes { by_method, allow } = found.value;
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match by_method.iter().find(|(known, _)| known == method) {
            Some((_, entry)) => {
                let param = |name| found.params.get(name).unwrap_or_default();
                RouteMatch::Route(
                    *entry,
                    PathParams { customer: param("customer_id"), id: param("id"), name: param("name") },
                )
            }
            None => RouteMatch::WrongMethod { allow },
        }
    }
}

impl Router {
    /// Whether the path would lead to a route if its empty segments held something.
    pub(crate) fn has_empty_param(&self, path: &str) -> bool {
        let Some(segments) = path.strip_prefix('/') else { return false };
        let filled = segments.split('/').map(|segment| if segment.is_empty() { "-" } else { segment });
        let filled: String = filled.flat_map(|segment| ["/", segment]).collect();
        filled != path && self.paths.at(&filled).is_ok()
    }
}

impl PathRoutes {
    fn add(&mut self, method: &str, entry: RouteEntry) {
        if !self.allow.is_empty() {
            self.allow.push_str(", ");
        }
        self.allow.push_str(method);
        self.by_method.push((Method::try_from(method).expect("a method's name"), entry));
    }
}

#[cfg(test)]
mod tests;
