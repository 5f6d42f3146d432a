//! A row of the table of routes. The router, the labels of metrics and the API's
//! description are made from these rows.

use crate::audience::{Audience, RouteAccess};
use crate::config::IngestConfig;
use crate::contexts::{
    AccountContext, Contexts, DeadLettersContext, EventTypesContext, EventsContext, HealthContext,
    OperatorsContext, ProduceContext, ReplaysContext, StreamContext, SubscriptionsContext, SystemContext,
};
use crate::describe::Operation;
use crate::error::ApiError;
use crate::reply::ApiReply;
use crate::request::ApiRequest;
use hyper::body::Incoming;
use sluice_model::Scopes;
use std::pin::Pin;

/// A route.
pub(crate) struct Route {
    /// Its name in metrics, and its operation id in the API's description.
    pub name: &'static str,
    /// The methods that it takes. `HEAD` is taken where `GET` is.
    pub methods: &'static [&'static str],
    /// Its path below the prefixes of `root`.
    pub path: &'static str,
    pub root: Root,
    pub handler: Handler,
    pub describe: fn(&IngestConfig) -> Operation,
}

/// Which listeners serve a route, below which prefixes, and the scopes that a
/// customer's key needs there. A scope that ends in `:read` changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// For customers, below `/v1`, `/api/v1` and `/`; and for operators, below
    /// the customer that they name.
    Aliased(Scopes),
    /// The same, without the alias below `/`.
    Versioned(Scopes),
    /// For operators only.
    Operators,
    /// For both, without credentials.
    Everybody,
    /// For operators, and for customers if so configured, without credentials.
    Metrics,
}

impl Root {
    /// The prefixes on a listener; the first is canonical.
    pub(crate) const fn prefixes(
        self,
        audience: Audience,
        metrics_on_public: bool,
    ) -> &'static [&'static str] {
        match (self, audience) {
            (Self::Aliased(_), Audience::Customers) => &["/v1", "/api/v1", ""],
            (Self::Versioned(_), Audience::Customers) => &["/v1", "/api/v1"],
            (Self::Aliased(_) | Self::Versioned(_), Audience::Operators) => {
                &["/admin/customers/{customer_id}"]
            }
            (Self::Operators | Self::Metrics, Audience::Operators) | (Self::Everybody, _) => &[""],
            (Self::Metrics, Audience::Customers) if metrics_on_public => &[""],
            (Self::Metrics | Self::Operators, Audience::Customers) => &[],
        }
    }

    /// The scopes that a customer's key needs.
    pub(crate) const fn needs(self) -> Scopes {
        match self {
            Self::Aliased(scopes) | Self::Versioned(scopes) => scopes,
            Self::Operators | Self::Everybody | Self::Metrics => Scopes::NONE,
        }
    }

    /// The credentials that the route asks for on a listener.
    pub(crate) const fn access(self, audience: Audience) -> RouteAccess {
        match (self, audience) {
            (Self::Everybody | Self::Metrics, _) => RouteAccess::Open,
            (_, Audience::Customers) => RouteAccess::Customer,
            (_, Audience::Operators) => RouteAccess::Admin,
        }
    }
}

/// A handler's work.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<ApiReply, ApiError>> + Send + 'a>>;

/// A handler that works with a context of type `C`.
type HandlerFn<C> = for<'a> fn(&'a C, &'a ApiRequest<'a>, Incoming) -> Answering<'a>;

/// A route's handler, by the family whose context it works with.
pub(crate) enum Handler {
    Produce(HandlerFn<ProduceContext>),
    Events(HandlerFn<EventsContext>),
    Stream(HandlerFn<StreamContext>),
    Subscriptions(HandlerFn<SubscriptionsContext>),
    EventTypes(HandlerFn<EventTypesContext>),
    DeadLetters(HandlerFn<DeadLettersContext>),
    Replays(HandlerFn<ReplaysContext>),
    Account(HandlerFn<AccountContext>),
    Operators(HandlerFn<OperatorsContext>),
    System(HandlerFn<SystemContext>),
    Health(HandlerFn<HealthContext>),
}

impl Handler {
    /// Handles a request.
    pub(crate) fn run<'a>(
        &self,
        contexts: &'a Contexts,
        request: &'a ApiRequest<'a>,
        body: Incoming,
    ) -> Answering<'a> {
        match self {
            Self::Produce(run) => run(&contexts.produce, request, body),
            Self::Events(run) => run(&contexts.events, request, body),
            Self::Stream(run) => run(&contexts.stream, request, body),
            Self::Subscriptions(run) => run(&contexts.subscriptions, request, body),
            Self::EventTypes(run) => run(&contexts.event_types, request, body),
            Self::DeadLetters(run) => run(&contexts.dead_letters, request, body),
            Self::Replays(run) => run(&contexts.replays, request, body),
            Self::Account(run) => run(&contexts.account, request, body),
            Self::Operators(run) => run(&contexts.operators, request, body),
            Self::System(run) => run(&contexts.system, request, body),
            Self::Health(run) => run(&contexts.health, request, body),
        }
    }
}
