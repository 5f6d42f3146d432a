//! A simulated ingest process, which runs the product's own code from the request's bytes to the stream, and
//! the producers that send to it.

use crate::cells::CellDoor;
use crate::measure;
use crate::planted::{EarlyAnswer, OldCheckpoints, OtherBytes, Planted};
use crate::process::Inside;
use crate::reader;
use crate::stores::{Seat, SimCatalogue, SimKeys, customer_id};
use crate::stream::SimStream;
use crate::worker::{aws_config, patiently};
use crate::world::{Caller, World, sleep_ms};
use parking_lot::Mutex;
use sluice_aws::log::{Aside, KinesisLog, RECORD_RAW_BYTES, Stream};
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_ingest::IngestConfig;
use sluice_ingest::simulation::{Answered, SimulatedIngest};
use sluice_model::EventId;
use sluice_ports::Log;
use std::collections::HashMap;
use std::sync::Arc;

/// The most bytes that wait in an ingest process's lane buffers.
pub(crate) const BYTES_MAX: usize = 64 * 1024;

pub(crate) fn stream(world: &Arc<World>, who: Caller) -> Arc<dyn Stream> {
    let stream = SimStream { world: Arc::clone(world), who };
    match world.planted {
        Some(Planted::OtherBytes) => Arc::new(OtherBytes { stream, sent: Mutex::new(HashMap::new()) }),
        Some(Planted::OldCheckpoints) => Arc::new(OldCheckpoints(stream)),
        _ => Arc::new(stream),
    }
}

pub(crate) fn aside(world: &Arc<World>, who: Caller) -> Arc<dyn Aside> {
    Arc::new(SimStream { world: Arc::clone(world), who })
}

pub(crate) async fn main(world: Arc<World>, who: Caller, inside: Inside) {
    let catalogue = Arc::new(SimCatalogue::new(Seat { world: Arc::clone(&world), who }));
    let loading = || Directory::load(catalogue.clone(), DirectorySettings::default());
    let (directory, refresher) = patiently(loading).await;
    tokio::spawn(refresher.run(inside.stop.clone()));
    let (stream, aside, config) = (stream(&world, who), aside(&world, who), aws_config(&world, who));
    let log: Arc<dyn Log> =
        Arc::new(patiently(|| KinesisLog::over(Arc::clone(&stream), Arc::clone(&aside), &config)).await);
    let log: Arc<dyn Log> =
        if world.planted == Some(Planted::EarlyAnswer) { Arc::new(EarlyAnswer(log)) } else { log };
    let mut settings = IngestConfig::default();
    settings.lanes.append_timeout_ms = 6_000;
    if world.plan.load.is_none() {
        settings.lanes.bytes_max = BYTES_MAX;
        settings.lanes.customer_bytes_max = BYTES_MAX / 2;
        // Small records, so that requests are spread over several.
        settings.lanes.record_bytes_max = 4_000;
    } else {
        settings.lanes.record_bytes_max = RECORD_RAW_BYTES;
    }
    let (keys, known) = (Arc::new(SimKeys::default()), Arc::clone(&directory));
    let door = Arc::new(SimulatedIngest::open(log, keys, known, &settings, config.lanes));
    *inside.door.lock() = Some(Arc::clone(&door));
    if world.plan.load.is_none() && world.cell.is_none() {
        reader::start(&world, who, &directory, &config);
    }
    if let Some(load) = world.plan.load {
        for customer in 0..load.customers {
            tokio::spawn(measure::send(Arc::clone(&world), load, customer, Arc::clone(&door)));
        }
    }
    for number in 0..world.plan.clients {
        let entry = CellDoor::new(&world, &directory, catalogue.view.clone());
        tokio::spawn(produce(Arc::clone(&world), who, number, Arc::clone(&door), entry));
    }
    inside.stop.cancelled().await;
}

/// How often a request with a key is sent, and the time between two attempts.
const TRIES: usize = 4;
const AGAIN_MS: u64 = 200;

#[derive(serde::Deserialize)]
struct Listed {
    event_id: EventId,
}

#[derive(serde::Deserialize)]
struct ProducedAnswer {
    events: Vec<Listed>,
}

/// Runs a producer: one request after the other, all with one ordering key. In a cell it has an
/// API key, and repeats unanswered requests with the same idempotency key at the same ingest process.
async fn produce(
    world: Arc<World>,
    who: Caller,
    number: usize,
    door: Arc<SimulatedIngest>,
    cell: Option<CellDoor>,
) {
    let die = u64::from(who) << 16 | number as u64;
    let chain = format!("p{who}-{number}");
    let customer = world.roll("customer", die) as usize % world.plan.customers.len();
    let mut sent = 0u64;
    loop {
        sleep_ms(1 + world.roll("pause", die) % world.plan.pause_ms).await;
        if world.now_ms() >= world.plan.traffic_until_ms {
            return;
        }
        if cell.as_ref().is_some_and(|cell| !cell.lets_in(number, customer)) {
            continue;
        }
        let count = 1 + world.roll("events", die) % world.plan.events_max;
        let events: Vec<String> = (0..count)
            .map(|index| {
                let roll = world.roll("kind", die);
                let filler = "x".repeat(roll as usize >> 8 & 0x3ff);
                format!(
                    r#"{{"event_type":"kind.k{}","ordering_key":"{chain}","payload":{{"n":{},"filler":"{filler}"}}}}"#,
                    roll % 3,
                    sent + index
                )
            })
            .collect();
        sent += count;
        let body = format!("[{}]", events.join(","));
        let key = cell.as_ref().map(|_| format!("{chain}-{sent}"));
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match door.produce(customer_id(customer), key.as_deref(), body.as_bytes()).await {
                Answered::NotTaken(_) | Answered::Unknown(_) if key.is_some() && tries < TRIES => {
                    world.ledger.lock().count("requests repeated with their key");
                    sleep_ms(AGAIN_MS).await;
                }
                answer => break answer,
            }
        };
        match answer {
            Answered::Accepted { body, .. } => {
                let ids = serde_json::from_slice::<ProducedAnswer>(&body);
                let ids: Vec<EventId> = ids
                    .map(|answer| answer.events.into_iter().map(|listed| listed.event_id).collect())
                    .unwrap_or_default();
                if ids.len() as u64 != count {
                    world.broken("every event of a request is answered", &String::from_utf8_lossy(&body));
                }
                world.tell(|| format!("{chain} was answered 202 for {count} from {}", ids[0]));
                world.ledger.lock().accepted(&world, &chain, ids);
            }
            Answered::NotTaken(_) => world.ledger.lock().count("requests not taken"),
            Answered::Unknown(_) => world.ledger.lock().count("requests unknown"),
            Answered::Refused(why) => world.broken("good requests are taken", &why),
        }
    }
}
