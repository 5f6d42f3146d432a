//! Puts the contexts of all routes and the services of both listeners together.

use super::IngestParts;
use crate::admission::Admission;
use crate::audience::Audience;
use crate::body::{BodyIntake, BodyLimits};
use crate::config::{IngestConfig, ms};
use crate::contexts::{
    AccountContext, Contexts, DeadLettersContext, Descriptions, EventTypesContext, EventsContext,
    HealthContext, ListenerDescription, OperatorsContext, ProduceContext, ReplaysContext, StreamContext,
    SubscriptionsContext, SystemContext,
};
use crate::cors::Cors;
use crate::customer_locks::CustomerLocks;
use crate::decode::EventLimits;
use crate::docs::DocsPage;
use crate::http_metrics::HttpMetrics;
use crate::lanes::{LaneBuffers, LaneLimits};
use crate::metrics::METRICS;
use crate::occupancy::Occupancy;
use crate::produce::{ProduceMetrics, Producer, ProducerSettings};
use crate::readiness::Readiness;
use crate::router::Router;
use crate::service::{ListenerService, SharedState};
use crate::stream::StreamPace;
use crate::streams::Streams;
use crate::trials::Trials;
use crate::{openapi, routes};
use sluice_history::attempts::AttemptHistory;
use sluice_history::replay::ReplayStore;
use sluice_history::usage::UsageReader;
use sluice_model::clock::now_ms;
use sluice_telemetry::describe;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The most test events on their way at a time.
const PROBES_MAX: usize = 16;

/// A role without its listeners.
pub(super) struct Assembled {
    pub public: Arc<ListenerService>,
    pub admin: Arc<ListenerService>,
    pub lanes: Arc<LaneBuffers>,
    pub occupancy: Occupancy,
    /// To be cancelled when the drain begins.
    pub draining: CancellationToken,
}

pub(super) fn assemble(parts: IngestParts) -> Assembled {
    describe(METRICS);
    let draining = CancellationToken::new();
    let config = &parts.config;
    let metrics_on_public = config.metrics_on_public;
    let intake = Arc::new(body_intake(config));
    let streams = Arc::new(Streams::new(config.stream.streams_max, config.stream.customer_max));
    let settings = producer_settings(config, parts.lanes);
    let producer =
        Producer::new(Arc::clone(&parts.log), parts.idempotency.clone(), parts.rates.clone(), settings);
    let lanes = Arc::clone(producer.lanes());
    let occupancy = Occupancy::new(Arc::clone(&intake), Arc::clone(&lanes), Arc::clone(&streams));
    let (directory, cors) = (Arc::clone(&parts.directory), Cors::new(&config.cors_origins));
    let admin_tokens = Arc::clone(&parts.admin_tokens);
    let shared = Arc::new(SharedState {
        contexts: contexts(parts, producer, streams, &draining),
        directory,
        intake,
        admin_tokens,
        cors,
        metrics: HttpMetrics::new(&routes::NAMES),
    });
    let service = |audience| {
        let router = Router::new(routes::all(), audience, metrics_on_public);
        Arc::new(ListenerService { audience, router, shared: Arc::clone(&shared) })
    };
    Assembled {
        public: service(Audience::Customers),
        admin: service(Audience::Operators),
        lanes,
        occupancy,
        draining,
    }
}

fn contexts(
    parts: IngestParts,
    producer: Producer,
    streams: Arc<Streams>,
    drain: &CancellationToken,
) -> Contexts {
    let IngestParts { config, directory, events: store, queue, log, rows, lanes, .. } = parts;
    let trials = Arc::new(Trials::new(config.limits.trials_max, ms(config.limits.trial_timeout_ms)));
    let is_development = config.is_development();
    let history = Arc::new(AttemptHistory::new(Arc::clone(&rows), 0));
    let readiness = Arc::new(Readiness { drain: drain.clone(), directory, log, lost: parts.lost });
    Contexts {
        system: SystemContext {
            environment: config.environment.clone(),
            readiness: Arc::clone(&readiness),
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            streams: Arc::clone(&streams),
            shards: parts.shards,
            lanes,
            started_ms: now_ms(),
        },
        account: AccountContext {
            usage: UsageReader::new(Arc::clone(&rows)),
            reads: CustomerLocks::new(config.limits.customer_reads_max),
        },
        health: HealthContext {
            environment: config.environment.clone(),
            readiness: Arc::clone(&readiness),
            descriptions: descriptions(&config),
            render_metrics: parts.render_metrics,
        },
        produce: ProduceContext {
            producer,
            streams: Arc::clone(&streams),
            metrics: ProduceMetrics::new(),
            event_bytes_max: config.limits.event_bytes_max,
        },
        events: EventsContext {
            store: Arc::clone(&store),
            lanes,
            history: Arc::clone(&history),
            reads: CustomerLocks::new(reads_at_once(config.limits.customer_reads_max)),
            queue: Arc::clone(&queue),
            trials: Arc::clone(&trials),
        },
        stream: StreamContext {
            store: Arc::clone(&store),
            lanes,
            streams,
            pace: stream_pace(&config),
            reads: Arc::new(CustomerLocks::new(reads_at_once(config.limits.customer_reads_max))),
            drain: drain.clone(),
        },
        subscriptions: SubscriptionsContext {
            store: Arc::clone(&store),
            lanes,
            history,
            probe: parts.probe,
            probes: Semaphore::new(PROBES_MAX),
            trials: Arc::clone(&trials),
            queue: Arc::clone(&queue),
            breakers: parts.breakers,
            customer_max: config.subscriptions_max,
            limits: config.subscription,
            transform: config.transform,
            allow_private_webhooks: config.allow_private_webhooks,
            is_development,
        },
        event_types: EventTypesContext {
            limits: config.event_types,
            event_bytes_max: config.limits.event_bytes_max,
            trials: Arc::clone(&trials),
            changes: CustomerLocks::new(1),
        },
        dead_letters: DeadLettersContext { store: Arc::clone(&store), queue, turns: CustomerLocks::new(1) },
        replays: ReplaysContext {
            store,
            lanes,
            replays: ReplayStore::new(rows),
            trials,
            starts: CustomerLocks::new(1),
        },
        operators: OperatorsContext { lanes, is_development, changes: CustomerLocks::new(1) },
    }
}

fn descriptions(config: &IngestConfig) -> Descriptions {
    let describe = |audience| {
        let document = openapi::document(audience, routes::all(), config);
        ListenerDescription { document: document.to_string().into(), page: DocsPage::new(&document) }
    };
    Descriptions { public: describe(Audience::Customers), admin: describe(Audience::Operators) }
}

fn body_intake(config: &IngestConfig) -> BodyIntake {
    let limits = &config.limits;
    let admission = Admission::new(limits.in_flight_bytes_max, limits.in_flight_customer_bytes_max);
    let limits = BodyLimits { bytes_max: limits.body_bytes_max, timeout: ms(config.http.body_timeout_ms) };
    BodyIntake::new(admission, limits)
}

fn stream_pace(config: &IngestConfig) -> StreamPace {
    StreamPace {
        poll: ms(config.stream.poll_ms),
        // A quiet stream's connection must not count as idle.
        heartbeat: ms(config.stream.heartbeat_ms.min(config.http.idle_timeout_ms / 3)),
        stall: ms(config.http.idle_timeout_ms),
    }
}

/// The limits of accepting events, from the configuration.
pub(crate) fn producer_settings(config: &IngestConfig, lane_count: u16) -> ProducerSettings {
    ProducerSettings {
        events: EventLimits {
            event_bytes_max: config.limits.event_bytes_max,
            request_events_max: config.limits.request_events_max as usize,
        },
        lanes: LaneLimits {
            bytes_max: config.lanes.bytes_max,
            customer_bytes_max: config.lanes.customer_bytes_max,
            record_bytes_max: config.lanes.record_bytes_max,
        },
        checks: config.event_types.checks,
        lane_count,
        append_timeout: ms(config.lanes.append_timeout_ms),
    }
}

/// How many scans of one customer may run at a time: fewer than there are cores, or
/// all other requests would wait for them.
fn reads_at_once(configured: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    configured.min((cores / 2).max(1))
}
