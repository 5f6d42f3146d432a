//! One request: found, let in, handled, answered, counted.

use crate::auth;
use crate::body;
use crate::connection::Connection;
use crate::edge::Edge;
use crate::error::ApiError;
use crate::reply::{REQUEST_ID, Reply};
use crate::request_id;
use crate::router::{Access, Found, Params, Route, Router};
use crate::routes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use sluice_catalogue::directory::KeyEntry;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

/// Taken in and dropped of a body that nobody will read, so that the client
/// reads its refusal and can go on using the connection.
const UNREAD_BYTES_MAX: u64 = 256 << 10;

/// Who a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Public,
    Admin,
}

/// What the requests of one connection have in common.
pub(crate) struct Session {
    pub edge: Arc<Edge>,
    pub connection: Arc<Connection>,
    pub door: Door,
}

/// A request that was let in, as its handler sees it.
pub(crate) struct Call<'a> {
    pub edge: &'a Edge,
    pub connection: &'a Arc<Connection>,
    pub door: Door,
    pub parts: &'a Parts,
    pub params: Params<'a>,
    /// The customer's key; nothing on the operators' side.
    pub key: Option<Arc<KeyEntry>>,
    pub started: Instant,
}

/// Answers one request.
pub(crate) async fn serve(session: Arc<Session>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let in_flight = session.connection.begin();
    let started = Instant::now();
    let edge = &*session.edge;
    let request_id = request_id::of(request.headers());
    let (parts, body) = request.into_parts();
    if let Some(mut reply) = edge.cors.preflight(&parts.method, &parts.headers) {
        edge.cors.mark(&parts.headers, &mut reply);
        reply.headers_mut().insert(REQUEST_ID, request_id);
        return Ok(reply);
    }
    let router = match session.door {
        Door::Public => &edge.public,
        Door::Admin => &edge.admin,
    };
    let (route, outcome) = match let_in(&session, router, &parts) {
        Ok((route, params, key)) => {
            let (connection, door) = (&session.connection, session.door);
            let call = Call { edge, connection, door, parts: &parts, params, key, started };
            let outcome = match route {
                Route::Produce => routes::produce::produce(&call, body).await,
                // Boxed, so that every request does not carry the room of the largest handler.
                _ => Box::pin(routes::other(route, &call, body)).await,
            };
            (route, outcome)
        }
        Err((route, error)) => {
            if !hyper::body::Body::is_end_stream(&body) {
                let limits = edge.event_bodies();
                body::discard(&session.connection, &parts.headers, body, limits, UNREAD_BYTES_MAX).await;
            }
            (route, Err(error))
        }
    };
    let mut reply = match outcome {
        Ok(reply) => {
            let status = reply.status().as_u16();
            tracing::debug!(request_id = text(&request_id), route = route.name(), status, "answered");
            reply
        }
        Err(error) => {
            edge.metrics.refused(error.code());
            tell(route, &request_id, &error);
            error.into_reply(&request_id)
        }
    };
    reply.headers_mut().insert(REQUEST_ID, request_id);
    edge.cors.mark(&parts.headers, &mut reply);
    edge.metrics.answered(route, reply.status());
    drop(in_flight);
    Ok(reply)
}

/// Logs a refusal: loud where it is not the client's doing. What the client
/// sent is not in it.
fn tell(route: Route, request_id: &HeaderValue, error: &ApiError) {
    let (route, status, code) = (route.name(), error.status().as_u16(), error.code());
    match (error.cause(), error.status()) {
        (Some(cause), StatusCode::INTERNAL_SERVER_ERROR) => {
            tracing::error!(request_id = text(request_id), route, status, code, cause, "a request failed");
        }
        (Some(cause), _) => {
            tracing::warn!(request_id = text(request_id), route, status, code, cause, "a request failed");
        }
        (None, _) => tracing::debug!(request_id = text(request_id), route, status, code, "refused"),
    }
}

/// Sane ids are visible ASCII; see request_id.rs.
fn text(request_id: &HeaderValue) -> &str {
    request_id.to_str().unwrap_or_default()
}

type LetIn<'a> = (Route, Params<'a>, Option<Arc<KeyEntry>>);

/// Finds a request's route and checks its credentials.
fn let_in<'a>(session: &Session, router: &Router, parts: &'a Parts) -> Result<LetIn<'a>, (Route, ApiError)> {
    let (route, params) = match router.find(&parts.method, parts.uri.path()) {
        Found::Route(route, params) => (route, params),
        Found::Method { allow } => return Err((Route::None, wrong_method(&parts.method, allow))),
        Found::Nothing => {
            let error = ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this path");
            return Err((Route::None, error));
        }
    };
    let key = check(session, router.access(route), &parts.headers).map_err(|error| (route, error))?;
    Ok((route, params, key))
}

fn check(session: &Session, access: Access, headers: &HeaderMap) -> Result<Option<Arc<KeyEntry>>, ApiError> {
    match access {
        Access::Open => Ok(None),
        Access::Customer => auth::customer(&session.edge.directory, &session.connection, headers).map(Some),
        Access::Admin => session.edge.admin_token.check(headers).map(|()| None),
    }
}

fn wrong_method(method: &Method, allow: &str) -> ApiError {
    let text = format!("{method} is not one of {allow}");
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", text).allow(allow.to_owned())
}
