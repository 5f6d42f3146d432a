//! A simulated operator, which gives orders for shards as `sluice leases` does, over a table and a
//! stream that fail, and takes a pause back.

use crate::ingest;
use crate::plan::Errand;
use crate::process::Inside;
use crate::table::SimTable;
use crate::world::{Caller, World, sleep_ms};
use sluice_aws::leases::operator::{LeaseListing, LeaseOperator, LeaseOrderError, PlannedRestart, StartAt};
use sluice_aws::leases::{LeaseOrder, LeaseRow};
use sluice_model::clock;
use sluice_ports::log::Position;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The time between the two looks at the table; processes count up at each renewal.
const APART: Duration = Duration::from_millis(700);
/// How often an operator tries again after the lease changed in between.
const TRIES: usize = 5;
/// The time between two attempts.
const AGAIN_MS: u64 = 100;

pub(crate) async fn main(world: Arc<World>, who: Caller, inside: Inside, errand: Errand) {
    let table = Arc::new(SimTable { world: Arc::clone(&world), who });
    let operator = LeaseOperator::new(table, ingest::stream(&world, who));
    give(&world, &operator, errand).await;
    inside.ended.store(true, Ordering::Relaxed);
}

async fn give(world: &World, operator: &LeaseOperator, errand: Errand) {
    let which = match errand {
        Errand::Pause { which, .. }
        | Errand::HandOver { which }
        | Errand::StartAgain { which, .. }
        | Errand::SkipToNewest { which }
        | Errand::WorkAgain { which, .. } => which,
    };
    for _ in 0..TRIES {
        // No fault begins from now on, so no order does.
        if world.is_quiet() {
            return;
        }
        let told = match operator.look(APART).await {
            Ok(listing) => match open(&listing, which) {
                Some(row) => order(world, operator, errand, &listing, &row).await,
                None => return,
            },
            Err(error) => Err(error.into()),
        };
        match told {
            Ok(()) => return,
            Err(LeaseOrderError::Port(_) | LeaseOrderError::Changed(_)) => sleep_ms(AGAIN_MS).await,
            Err(error) => return world.tell(|| format!("an order is refused: {error}")),
        }
    }
}

/// A shard that takes orders, chosen by `which`.
fn open(listing: &LeaseListing, which: usize) -> Option<LeaseRow> {
    let rows = listing.leases.iter().map(|lease| &lease.row);
    let open: Vec<&LeaseRow> = rows.filter(|row| row.checkpoint != Position::END).collect();
    open.get(which % open.len().max(1)).map(|row| (*row).clone())
}

async fn order(
    world: &World,
    operator: &LeaseOperator,
    errand: Errand,
    listing: &LeaseListing,
    row: &LeaseRow,
) -> Result<(), LeaseOrderError> {
    match errand {
        Errand::Pause { for_ms, .. } => {
            let paused = operator.order(row, &LeaseOrder::Pause { now_ms: clock::now_ms() }).await;
            if paused.is_ok() {
                world.ledger.lock().count("shards paused");
                let until_ms = (world.now_ms() + for_ms).min(world.plan.quiet_from_ms);
                sleep_ms(until_ms.saturating_sub(world.now_ms())).await;
            }
            // A pause may have been written although it was not answered.
            resume(operator, row).await;
            return paused;
        }
        Errand::HandOver { .. } => {
            let to = listing.successor(&row.shard, None)?;
            operator.order(row, &LeaseOrder::HandOver { to }).await?;
            world.ledger.lock().count("shards handed over");
        }
        Errand::StartAgain { back_ms, .. } => {
            let at_ms = clock::now_ms().saturating_sub(back_ms);
            let planned = operator.plan_start(row, StartAt::Time(at_ms)).await?;
            begin(world, operator, &planned).await?;
        }
        Errand::SkipToNewest { .. } => {
            let planned = operator.plan_start(row, StartAt::Newest).await?;
            begin(world, operator, &planned).await?;
        }
        Errand::WorkAgain { back_ms, for_ms, .. } => {
            let from_ms = clock::now_ms().saturating_sub(back_ms);
            let planned = operator.plan_work_again(row, [from_ms, from_ms + for_ms]).await?;
            begin(world, operator, &planned).await?;
        }
    }
    Ok(())
}

async fn begin(
    world: &World,
    operator: &LeaseOperator,
    planned: &PlannedRestart,
) -> Result<(), LeaseOrderError> {
    operator.begin(planned).await?;
    world.ledger.lock().count("shards begun elsewhere");
    Ok(())
}

/// Takes the orders back, however long it takes.
async fn resume(operator: &LeaseOperator, row: &LeaseRow) {
    while let Err(LeaseOrderError::Port(_)) = operator.order(row, &LeaseOrder::Resume).await {
        sleep_ms(AGAIN_MS).await;
    }
}
