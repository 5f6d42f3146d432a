//! Serves one request: finds its route, checks its credentials, handles it, answers and
//! counts it.

use crate::audience::{Audience, RouteAccess};
use crate::auth::{self, AdminTokens};
use crate::body::{self, BodyIntake};
use crate::connection::ClientConnection;
use crate::contexts::Contexts;
use crate::cors::Cors;
use crate::error::ApiError;
use crate::head;
use crate::http_metrics::HttpMetrics;
use crate::reply::ApiReply;
use crate::request::{ApiRequest, PathParams, Principal};
use crate::request_id::{self, REQUEST_ID};
use crate::router::{RouteEntry, RouteMatch, Router};
use crate::routes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use sluice_catalogue::directory::Directory;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of an unread body that are read and dropped, so that the client reads
/// its refusal and can use the connection again.
const UNREAD_BYTES_MAX: u64 = 256 << 10;

/// The state that the listeners share.
pub(crate) struct SharedState {
    pub contexts: Contexts,
    pub directory: Arc<Directory>,
    pub intake: Arc<BodyIntake>,
    pub admin_tokens: Arc<AdminTokens>,
    pub cors: Cors,
    pub metrics: HttpMetrics,
}

/// Answers the requests of one listener.
pub(crate) struct ListenerService {
    pub audience: Audience,
    pub router: Router,
    pub shared: Arc<SharedState>,
}

/// A connection of a listener.
pub(crate) struct Session {
    pub service: Arc<ListenerService>,
    pub connection: Arc<ClientConnection>,
}

/// A request's index in the table of routes, and its outcome.
struct Handled {
    route: usize,
    outcome: Result<ApiReply, ApiError>,
}

/// Answers one request.
pub(crate) async fn serve(session: Arc<Session>, request: Request<Incoming>) -> Result<ApiReply, Infallible> {
    let in_flight = session.connection.begin();
    let shared = &*session.service.shared;
    let request_id = request_id::from_headers(request.headers());
    let (parts, body) = request.into_parts();
    let mut reply = match shared.cors.preflight(&parts.method, &parts.headers) {
        Some(reply) => reply,
        None => {
            let Handled { route, outcome } = handle(&session, &parts, &request_id, body).await;
            let reply = outcome.unwrap_or_else(|error| {
                shared.metrics.refused(error.code());
                log_refusal(route, &request_id, &error);
                error.into_reply(&request_id)
            });
            shared.metrics.answered(route, reply.status());
            tracing::debug!(
                request_id = request_id::text(&request_id),
                route = routes::NAMES[route],
                status = reply.status().as_u16(),
                "answered"
            );
            reply
        }
    };
    reply.headers_mut().insert(REQUEST_ID, request_id);
    shared.cors.mark(&parts.headers, &mut reply);
    drop(in_flight);
    Ok(reply)
}

async fn handle(session: &Session, parts: &Parts, request_id: &HeaderValue, body: Incoming) -> Handled {
    let started = Instant::now();
    let Session { service, connection } = session;
    let shared = &*service.shared;
    let (route, error) = match find(service, parts) {
        Ok((entry, params)) => match principal(session, entry, &parts.headers)
            .and_then(|principal| check_query(&principal, entry, parts).map(|()| principal))
        {
            Ok(principal) => {
                let request = ApiRequest {
                    parts,
                    params,
                    request_id,
                    audience: service.audience,
                    principal,
                    connection,
                    started,
                    intake: &shared.intake,
                    directory: &shared.directory,
                };
                let outcome = entry.route.handler.run(&shared.contexts, &request, body).await;
                return Handled { route: entry.index, outcome };
            }
            Err(error) => (entry.index, error),
        },
        Err(error) => (routes::NONE, error),
    };
    if !hyper::body::Body::is_end_stream(&body) {
        let limits = shared.intake.limits();
        body::discard(connection, &parts.headers, body, limits, UNREAD_BYTES_MAX).await;
    }
    Handled { route, outcome: Err(error) }
}

fn find<'a>(service: &ListenerService, parts: &'a Parts) -> Result<(RouteEntry, PathParams<'a>), ApiError> {
    head::check(parts)?;
    match service.router.find(&parts.method, parts.uri.path()) {
        RouteMatch::Route(entry, params) => Ok((entry, params)),
        RouteMatch::WrongMethod { allow } => Err(wrong_method(&parts.method, allow)),
        RouteMatch::NoSuchPath => Err(no_such_path(service, parts)),
    }
}

/// Tells a path whose id is empty from a path that does not exist.
fn no_such_path(service: &ListenerService, parts: &Parts) -> ApiError {
    let path = parts.uri.path();
    let message = if service.router.has_empty_param(path) {
        "an id is missing in the path: there is nothing between two slashes, or after the last one"
    } else {
        "there is nothing at this path"
    };
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
}

fn wrong_method(method: &Method, allow: &str) -> ApiError {
    let text = format!("{method} is not one of {allow}");
    let allow = HeaderValue::from_str(allow).expect("names of methods");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", text).header(ALLOW, allow)
}

/// Checks the credentials that the route asks for.
fn principal(session: &Session, entry: RouteEntry, headers: &HeaderMap) -> Result<Principal, ApiError> {
    let shared = &session.service.shared;
    match entry.route.root.access(session.service.audience) {
        RouteAccess::Open => Ok(Principal::Anybody),
        RouteAccess::Customer => {
            let key = auth::customer_key(&shared.directory, &session.connection, headers)?;
            auth::check_scopes(key.scopes(), entry.route.root.needs())?;
            Ok(Principal::Customer(key))
        }
        RouteAccess::Admin => shared.admin_tokens.check(headers).map(|()| Principal::Operator),
    }
}

/// Refuses a query where the route takes none: whoever sends a parameter means something by
/// it, and would get more than was asked for. Open routes take what probes add.
fn check_query(principal: &Principal, entry: RouteEntry, parts: &Parts) -> Result<(), ApiError> {
    if entry.takes_query || matches!(principal, Principal::Anybody) {
        return Ok(());
    }
    let query = parts.uri.query().unwrap_or_default();
    match url::form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(()),
        Some((name, _)) => {
            Err(ApiError::invalid(&name, "no such parameter; this request takes none in its query"))
        }
    }
}

/// Logs a refusal, as a warning or an error if its cause is on this side. The client's
/// data are not logged.
fn log_refusal(route: usize, request_id: &HeaderValue, error: &ApiError) {
    let (status, code, route) = (error.status().as_u16(), error.code(), routes::NAMES[route]);
    let request_id = request_id::text(request_id);
    match (error.cause(), error.status()) {
        (Some(cause), StatusCode::INTERNAL_SERVER_ERROR) => {
            tracing::error!(request_id, route, status, code, cause, "a request failed");
        }
        (Some(cause), _) => tracing::warn!(request_id, route, status, code, cause, "a request failed"),
        (None, _) => tracing::debug!(request_id, route, status, code, "refused"),
    }
}
