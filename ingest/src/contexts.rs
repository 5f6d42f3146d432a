//! The contexts of the handlers: each family of routes has its own, which holds
//! what its handlers need and nothing else.

use crate::config::{EventTypeConfig, SubscriptionLimits};
use crate::customer_locks::CustomerLocks;
use crate::docs::DocsPage;
use crate::ingest::{EndpointBreakers, WorkedShards};
use crate::produce::{ProduceMetrics, Producer};
use crate::readiness::Readiness;
use crate::stream::StreamPace;
use crate::streams::Streams;
use crate::trials::Trials;
use bytes::Bytes;
use sluice_history::attempts::AttemptHistory;
use sluice_history::replay::ReplayStore;
use sluice_history::usage::UsageReader;
use sluice_ports::{EventStore, WebhookProbe, WorkQueue};
use sluice_shape::ShapeLimits;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The contexts of all families.
pub(crate) struct Contexts {
    pub produce: ProduceContext,
    pub events: EventsContext,
    pub stream: StreamContext,
    pub subscriptions: SubscriptionsContext,
    pub event_types: EventTypesContext,
    pub dead_letters: DeadLettersContext,
    pub replays: ReplaysContext,
    pub account: AccountContext,
    pub operators: OperatorsContext,
    pub system: SystemContext,
    pub health: HealthContext,
}

/// Accepting events.
pub(crate) struct ProduceContext {
    pub producer: Producer,
    /// Woken when events were accepted.
    pub streams: Arc<Streams>,
    pub metrics: ProduceMetrics,
    pub event_bytes_max: usize,
}

/// Reading and acknowledging events.
pub(crate) struct EventsContext {
    pub store: Arc<dyn EventStore>,
    /// How many lanes the deployment has.
    pub lanes: u16,
    /// Bounds the pages that a customer reads at a time: a filter that matches
    /// nothing looks at many events.
    pub reads: CustomerLocks,
    /// Asked for the attempts to deliver an event.
    pub history: Arc<AttemptHistory>,
    /// The queue that takes resent events.
    pub queue: Arc<dyn WorkQueue>,
    pub trials: Arc<Trials>,
}

/// Streaming events.
pub(crate) struct StreamContext {
    pub store: Arc<dyn EventStore>,
    pub lanes: u16,
    pub streams: Arc<Streams>,
    pub pace: StreamPace,
    /// Bounds the pages that a customer's streams read at a time.
    pub reads: Arc<CustomerLocks>,
    /// Cancelled when the process drains.
    pub drain: CancellationToken,
}

/// Subscriptions, their attempts and their tests.
pub(crate) struct SubscriptionsContext {
    pub store: Arc<dyn EventStore>,
    pub lanes: u16,
    pub history: Arc<AttemptHistory>,
    pub probe: Arc<dyn WebhookProbe>,
    /// Bounds the test events that are on their way.
    pub probes: Semaphore,
    pub trials: Arc<Trials>,
    /// Asked how much waits for a subscription.
    pub queue: Arc<dyn WorkQueue>,
    /// Asked whether webhooks go to an endpoint.
    pub breakers: EndpointBreakers,
    /// The most subscriptions of a customer.
    pub customer_max: usize,
    /// The limits of one subscription.
    pub limits: SubscriptionLimits,
    /// The limits of templates.
    pub transform: ShapeLimits,
    pub allow_private_webhooks: bool,
    pub is_development: bool,
}

/// Event types.
pub(crate) struct EventTypesContext {
    pub limits: EventTypeConfig,
    pub event_bytes_max: usize,
    pub trials: Arc<Trials>,
    /// Held while a customer's types are counted and one is changed.
    pub changes: CustomerLocks,
}

/// Dead letters.
pub(crate) struct DeadLettersContext {
    pub store: Arc<dyn EventStore>,
    pub queue: Arc<dyn WorkQueue>,
    /// Held while many of a customer's dead letters are counted, redriven or deleted: a second
    /// request waits, so that it neither takes its neighbours' share nor redrives the same ones.
    pub turns: CustomerLocks,
}

/// Replays.
pub(crate) struct ReplaysContext {
    pub store: Arc<dyn EventStore>,
    pub lanes: u16,
    pub replays: ReplayStore,
    pub trials: Arc<Trials>,
    /// Held while a customer's running replays are counted and one more is added.
    pub starts: CustomerLocks,
}

/// A customer's account.
pub(crate) struct AccountContext {
    pub usage: UsageReader,
    /// Bounds the ranges that a customer reads at a time.
    pub reads: CustomerLocks,
}

/// The process, for operators.
pub(crate) struct SystemContext {
    pub environment: String,
    pub readiness: Arc<Readiness>,
    pub store: Arc<dyn EventStore>,
    pub queue: Arc<dyn WorkQueue>,
    pub streams: Arc<Streams>,
    pub shards: WorkedShards,
    /// How many lanes the deployment has.
    pub lanes: u16,
    /// When the process started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

/// Customers and their keys, for operators.
pub(crate) struct OperatorsContext {
    pub lanes: u16,
    pub is_development: bool,
    /// Held while a customer is read, changed and stored.
    pub changes: CustomerLocks,
}

/// Health, metrics and the API's description.
pub(crate) struct HealthContext {
    pub environment: String,
    pub readiness: Arc<Readiness>,
    pub descriptions: Descriptions,
    pub render_metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The descriptions of the two listeners.
pub(crate) struct Descriptions {
    pub public: ListenerDescription,
    pub admin: ListenerDescription,
}

/// How a listener describes itself.
pub(crate) struct ListenerDescription {
    /// For programs: the answer of `/openapi.json`.
    pub document: Bytes,
    /// For people: the answer of `/docs`.
    pub page: DocsPage,
}
