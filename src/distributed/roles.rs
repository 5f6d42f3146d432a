//! The two roles, ready to run: an edge that puts events into the stream, and
//! a processor that works the shards it is granted.

use super::common::Common;
use crate::config::Config;
use crate::server::run_edge;
use anyhow::Context;
use sluice_aws::events::DynamoEvents;
use sluice_aws::idempotency::RedisIdempotency;
use sluice_aws::leases::{Keeper, ShardLeases};
use sluice_aws::log::RECORD_RAW_BYTES;
use sluice_aws::queue::SqsQueue;
use sluice_aws::rates::RedisRates;
use sluice_aws::redis::Redis;
use sluice_aws::rows::DynamoRows;
use sluice_ingest::{BoundEdge, EdgeParts};
use sluice_model::ids::random_u128;
use sluice_ports::{Checkpoints, Log};
use sluice_processor::{Processor, ProcessorPorts};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where both roles read and write.
#[derive(Clone)]
pub(super) struct Stores {
    pub(super) log: Arc<dyn Log>,
    pub(super) events: Arc<DynamoEvents>,
    pub(super) queue: Arc<SqsQueue>,
    pub(super) checkpoints: Arc<dyn Checkpoints>,
}

/// A processor over the stores.
pub(super) fn processor(common: &Common, config: &Config, stores: &Stores) -> anyhow::Result<Processor> {
    let ports = ProcessorPorts {
        log: stores.log.clone(),
        events: stores.events.clone(),
        queue: stores.queue.clone(),
        checkpoints: stores.checkpoints.clone(),
        catalogue: common.sealed.clone(),
        directory: common.directory.clone(),
        rows: Arc::new(DynamoRows::new(&common.clients, &config.aws)),
        lanes: config.aws.lanes,
        // A process' own rows of the attempt history; they expire with it.
        instance: random_u128() as u64,
    };
    Processor::new(ports, config.processor.clone()).context("start the processor")
}

/// Works shards until told to stop; then hands all of them over.
pub(super) async fn work(
    processor: &Processor,
    keeper: Keeper,
    leases: ShardLeases,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let keeper_stop = CancellationToken::new();
    let keeping = tokio::spawn(keeper.run(keeper_stop.clone(), stop.clone()));
    processor.run_leased(&leases, stop).await;
    // Nothing is worked any more: what is left of the leases can go to others,
    // and what was granted last with them.
    drop(leases);
    keeper_stop.cancel();
    keeping.await.context("the leases' keeper")
}

/// An edge that listens and does not serve yet.
pub(super) struct EdgeRole {
    bound: BoundEdge,
    redis: Redis,
}

impl EdgeRole {
    /// Connects to Redis and listens. `probe` sends customers' test events.
    pub(super) async fn bind(
        common: &mut Common,
        config: &Config,
        stores: &Stores,
        probe: &Processor,
    ) -> anyhow::Result<Self> {
        let admin_token = config.admin_token.clone();
        let admin_token =
            admin_token.context("an edge needs --admin-token or SLUICE_ADMIN_TOKEN: the same on all")?;
        let redis = Redis::new(&config.aws, Arc::clone(common.clients.health()))?;
        redis.connected().await;
        let rates = Arc::new(RedisRates::new(redis.clone()));
        let (beating, stop) = (Arc::clone(&rates), common.background_stop.clone());
        common.serve(async move { beating.run(stop).await });
        let mut edge = config.edge.clone();
        edge.lanes.record_bytes_max = edge.lanes.record_bytes_max.min(RECORD_RAW_BYTES);
        let bound = BoundEdge::bind(EdgeParts {
            rows: Arc::new(DynamoRows::new(&common.clients, &config.aws)),
            probe: probe.probe(),
            directory: common.directory.clone(),
            log: stores.log.clone(),
            events: stores.events.clone(),
            queue: stores.queue.clone(),
            idempotency: Arc::new(RedisIdempotency::new(redis.clone(), &config.aws)),
            rates,
            lost: common.lost(),
            lanes: config.aws.lanes,
            admin_token,
            config: edge,
            render_metrics: common.render(),
        })
        .context("listen")?;
        Ok(Self { bound, redis })
    }

    /// The URL that customers connect to.
    pub(super) fn url(&self) -> String {
        self.bound.public_url()
    }

    /// Serves until told to stop, then drains.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let failed = CancellationToken::new();
        let edge = tokio::spawn(run_edge(self.bound, stop, failed.clone()));
        edge.await.context("the edge's task")?;
        self.redis.close().await;
        anyhow::ensure!(!failed.is_cancelled(), "the edge ended by itself; see the log");
        Ok(())
    }
}
