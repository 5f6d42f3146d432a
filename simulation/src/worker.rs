//! A simulated processor, which runs the product's own leases, log, shards, outboxes, retries and
//! commits over ports that fail.

use crate::ingest;
use crate::planted;
use crate::process::Inside;
use crate::stores::{Seat, SimCatalogue, SimEvents, SimQueue, SimRows};
use crate::stream::SHARD_BYTES_PER_S;
use crate::table::SimTable;
use crate::wire::SimWire;
use crate::world::{Caller, World, sleep_ms};
use async_trait::async_trait;
use sluice_aws::AwsConfig;
use sluice_aws::health::DependencyHealth;
use sluice_aws::leases::{Keeper, ShardLeases};
use sluice_aws::log::KinesisLog;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_ports::leases::Grant;
use sluice_ports::{Leases, PortError};
use sluice_processor::{Processor, ProcessorConfig, ProcessorPorts};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The configuration of the distributed engine, with times about a third of the default's.
pub(crate) fn aws_config(world: &World, who: Caller) -> AwsConfig {
    let lanes = world.plan.lanes();
    if world.plan.load.is_some() {
        return AwsConfig { lanes, ..AwsConfig::default() };
    }
    AwsConfig {
        lanes,
        append_deadline_ms: 3_000,
        put_requests_max: 3,
        put_records_max: 4,
        poll_ms: 60,
        read_records_max: 100,
        read_bytes_max: 12 << 10,
        shard_bytes_per_s: SHARD_BYTES_PER_S,
        learn_ms_max: 500,
        resend_window_ms: 8_000,
        shard_sync_ms: 1_000,
        lease_ms: planted::lease_ms(world.planted, who, 3_000),
        lease_renew_ms: 300,
        inbox_late_ms: 300,
        inbox_look_ms: 100,
        ..AwsConfig::default()
    }
}

fn processor_config(world: &World) -> ProcessorConfig {
    let mut config = ProcessorConfig::default();
    if world.plan.load.is_some() {
        return config;
    }
    config.breaker.open_ms = 200;
    config.breaker.open_max_ms = 1_000;
    config.shard.checkpoint_interval_ms = 200;
    config.shard.read_wait_ms = 100;
    config.shard.unsettled_events_max = world.plan.unsettled_max;
    config.queue.poll_ms = 200;
    config.queue.suspended_wait_ms = 500;
    config.shutdown.grace_ms = 200;
    config.shutdown.deadline_ms = 1_000;
    config
}

/// Repeats a call until it succeeds.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, PortError>>>(ask: impl Fn() -> F) -> T {
    loop {
        if let Ok(answer) = ask().await {
            return answer;
        }
        sleep_ms(50).await;
    }
}

/// Leases whose grants are noted in the ledger.
struct Watched {
    leases: ShardLeases,
    world: Arc<World>,
    who: Caller,
}

#[async_trait]
impl Leases for Watched {
    async fn granted(&self) -> Option<Grant> {
        let inner = self.leases.granted().await?;
        let (outer, ended) = Grant::new(inner.shard.clone());
        let (world, who) = (Arc::clone(&self.world), self.who);
        world.tell(|| format!("p{who} works {}", inner.shard));
        world.watch.lock().granted(&world, who, &inner.shard);
        world.ledger.lock().works(inner.shard.clone(), who, inner.lost.clone(), ended.clone());
        tokio::spawn(pass_on(world, who, inner, outer.leave.clone(), outer.lost.clone(), ended));
        Some(outer)
    }

    fn processes(&self) -> usize {
        self.leases.processes()
    }
}

async fn pass_on(
    world: Arc<World>,
    who: Caller,
    inner: Grant,
    leave: CancellationToken,
    lost: CancellationToken,
    ended: CancellationToken,
) {
    loop {
        tokio::select! {
            () = ended.cancelled() => break,
            () = inner.lost.cancelled(), if !lost.is_cancelled() => {
                world.tell(|| format!("p{who} lost {}", inner.shard));
                world.ledger.lock().count("leases lost");
                lost.cancel();
            }
            () = inner.leave.cancelled(), if !leave.is_cancelled() => leave.cancel(),
        }
    }
    world.watch.lock().left(who, &inner.shard);
    world.tell(|| format!("p{who} has left {}", inner.shard));
}

/// Copies the process' readiness for the simulation, a few times a second.
async fn tell_lost(health: Arc<DependencyHealth>, inside: Inside) {
    loop {
        *inside.lost.lock() = health.lost().into_iter().map(|lost| lost.name).collect();
        sleep_ms(20).await;
    }
}

pub(crate) async fn main(world: Arc<World>, who: Caller, inside: Inside) {
    world.watch.lock().starts(who);
    let seat = Seat { world: Arc::clone(&world), who };
    let catalogue = Arc::new(SimCatalogue::new(seat.clone()));
    let loading = || Directory::load(catalogue.clone(), DirectorySettings::default());
    let (directory, refresher) = patiently(loading).await;
    let background = CancellationToken::new();
    tokio::spawn(refresher.run(background.clone()));
    let (stream, aside) = (ingest::stream(&world, who), ingest::aside(&world, who));
    let config = aws_config(&world, who);
    let log =
        Arc::new(patiently(|| KinesisLog::over(Arc::clone(&stream), Arc::clone(&aside), &config)).await);
    let table = Arc::new(SimTable { world: Arc::clone(&world), who });
    let health = Arc::new(DependencyHealth::default());
    world.watch.lock().joined(who, Arc::clone(&health));
    tokio::spawn(tell_lost(Arc::clone(&health), inside.clone()));
    let (keeper, leases, checkpoints) =
        Keeper::over(table, format!("p{who}"), &config, Arc::clone(&log), health);
    let window = Duration::from_millis(config.resend_window_ms);
    let ports = ProcessorPorts {
        log: planted::consumed(&world, Arc::clone(&stream), log, window),
        events: Arc::new(SimEvents(seat.clone(), None)),
        checkpoints: Arc::new(checkpoints),
        queue: Arc::new(SimQueue(seat.clone())),
        catalogue,
        directory,
        rows: Arc::new(SimRows(seat)),
        lanes: world.plan.lanes(),
        instance: u64::from(who),
    };
    let wire = Arc::new(SimWire { world: Arc::clone(&world) });
    let processor = Processor::with_wire(ports, processor_config(&world), wire);
    let processor = match processor {
        Ok(processor) => processor,
        Err(error) => return world.broken("the configuration makes sense", &error.to_string()),
    };
    *inside.processor.lock() = Some(processor.clone());
    let keeper_stop = CancellationToken::new();
    let keeping = tokio::spawn(keeper.run(keeper_stop.clone(), inside.stop.clone()));
    let leases = Watched { leases, world: Arc::clone(&world), who };
    processor.run_leased(&leases, inside.stop.clone()).await;
    keeper_stop.cancel();
    if keeping.await.is_err() {
        world.broken("the keeper of leases does not die", &format!("p{who}"));
    }
    background.cancel();
    inside.ended.store(true, Ordering::Relaxed);
}
