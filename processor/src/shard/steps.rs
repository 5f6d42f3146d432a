//! Carrying out the decisions of [`crate::outlet`], until the outlet sleeps.

use super::flights::FlightPhase;
use super::hand_over::hand_over;
use super::outlet::{Outlet, StagedWebhook};
use super::workbench::Workbench;
use crate::attempt::Start;
use crate::endpoint::{Asker, Permit, PermitDenied};
use crate::outlet::{BUSY_WAIT_MS, HandOverCause, OutletStep, ParkedStep, Turn, next_parked, next_step};
use crate::settlement::{self, DeliveryEnding, HeldBy};
use sluice_model::{DeadLetterReason, Delivery, DeliveryId, Lane, SubscriptionStatus};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How long to wait while the customer's webhooks in flight take all of its memory.
const NO_ROOM_WAIT_MS: u64 = 50;

/// If the subscription's rate limit makes events wait, they wait on the shard for up to this long;
/// beyond that, they wait in the queue.
const PACED_WAIT_MS_MAX: u64 = 1000;

/// Why a webhook was not sent.
enum NotSent {
    /// Webhooks in flight take all the memory that is allowed.
    NoRoom,
    /// The endpoint takes no webhook now.
    Denied(PermitDenied),
}

/// What to do after a step with the parked lists.
enum AfterParked {
    /// Look at the outlet anew, because it changed.
    Again,
    /// Continue with the outbox, and look at the parked lists again at this time, if it is given.
    Sleep { until_ms: Option<u64> },
}

/// Takes steps until the outlet sleeps. Returns until when it sleeps, or `None` if something must
/// change first.
pub(super) fn take_steps(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> Option<u64> {
    let (now_ms, config) = (bench.now_ms, &bench.context.config);
    loop {
        // These events were accepted before the subscription was disabled.
        if outlet.listener.until_ms.is_some() && outlet.gone.is_none() {
            let subscription = Arc::clone(outlet.subscription());
            outlet.disabled_as(Some(&subscription), now_ms);
        }
        if outlet.gone.is_some() {
            hand_over(outlet, bench, now_ms);
            return None;
        }
        let parked_ms = match step_parked(outlet, bench) {
            AfterParked::Again => continue,
            AfterParked::Sleep { until_ms } => until_ms,
        };
        let (way, due_ms) = outlet.way(config, now_ms);
        let situation = outlet.situation(way, now_ms);
        let denied = match next_step(&outlet.outbox, &situation, &outlet.subscription().batch, &config.shard)
        {
            OutletStep::Sleep { until_ms } => return until_ms.into_iter().chain(parked_ms).min(),
            OutletStep::HandOver(cause) => {
                hand_over(outlet, bench, due_ms);
                if cause == HandOverCause::Slow {
                    outlet.slow_until_ms = now_ms + config.shard.age_cap_ms;
                }
                continue;
            }
            OutletStep::Stage => stage(outlet, bench).err(),
            OutletStep::Send => send(outlet, bench).err(),
            OutletStep::SendStaged => send_staged(outlet, bench).err(),
        };
        match denied {
            None => {}
            Some(NotSent::NoRoom) => return Some(now_ms + NO_ROOM_WAIT_MS),
            Some(NotSent::Denied(PermitDenied::Busy)) => return Some(now_ms + BUSY_WAIT_MS),
            Some(NotSent::Denied(PermitDenied::Paced { until_ms }))
                if until_ms <= now_ms + PACED_WAIT_MS_MAX =>
            {
                return Some(until_ms);
            }
            Some(NotSent::Denied(PermitDenied::Paced { until_ms })) => hand_over(outlet, bench, until_ms),
            Some(NotSent::Denied(PermitDenied::Open { until_ms })) => {
                hand_over(outlet, bench, until_ms.unwrap_or(now_ms));
            }
        }
    }
}

fn room(outlet: &Outlet, bench: &Workbench<'_>) -> Result<(), NotSent> {
    let customer = outlet.subscription().customer;
    if bench.flights.has_room(customer) { Ok(()) } else { Err(NotSent::NoRoom) }
}

fn permit(outlet: &Outlet, bench: &Workbench<'_>) -> Result<Permit, PermitDenied> {
    bench.context.endpoints.permit(&outlet.listener.endpoint, Asker::Shard, bench.now_ms)
}

/// Cuts a webhook and sends it.
fn send(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> Result<(), NotSent> {
    room(outlet, bench)?;
    let permit = permit(outlet, bench).map_err(NotSent::Denied)?;
    let subscription = outlet.listener.target.subscription();
    if let Some(cut) = outlet.outbox.cut(&subscription.batch, subscription.ordered) {
        bench.flights.launch_cut(&outlet.listener, cut, Start::Now(permit), bench.now_ms);
        outlet.took_off(Turn::Parked, bench.now_ms);
    }
    Ok(())
}

/// Cuts a webhook and signs it while the previous webhook is in flight.
fn stage(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> Result<(), NotSent> {
    room(outlet, bench)?;
    let subscription = outlet.listener.target.subscription();
    let Some(cut) = outlet.outbox.cut(&subscription.batch, subscription.ordered) else { return Ok(()) };
    let (since_ms, (gate, granted)) = (cut.since_ms, oneshot::channel());
    let task = bench.flights.launch_cut(&outlet.listener, cut, Start::When(granted), bench.now_ms);
    outlet.staged = Some(StagedWebhook { task, since_ms, gate });
    Ok(())
}

/// Sends the webhook that is signed.
fn send_staged(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> Result<(), NotSent> {
    let permit = permit(outlet, bench).map_err(NotSent::Denied)?;
    let Some(staged) = outlet.staged.take() else { return Ok(()) };
    if let Some(flight) = bench.flights.get_mut(staged.task) {
        flight.phase = FlightPhase::Sent;
        permit.sends(flight.delivery.event_count(), bench.now_ms);
        outlet.took_off(Turn::Parked, bench.now_ms);
    }
    // If the task is gone, the permit is dropped with the message.
    drop(staged.gate.send(permit));
    Ok(())
}

/// Sends a parked webhook, if [`next_parked`] says so.
fn step_parked(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> AfterParked {
    let now_ms = bench.now_ms;
    let situation = outlet.parked_situation(&bench.context.config, bench.durable, now_ms);
    let (lane, failed) = match next_parked(outlet.parked.lanes(), &outlet.outbox, &situation) {
        ParkedStep::Sleep { until_ms } => return AfterParked::Sleep { until_ms },
        ParkedStep::PassTurn => {
            outlet.turn = Turn::Parked;
            return AfterParked::Sleep { until_ms: Some(now_ms + 1) };
        }
        ParkedStep::Retry { lane, delivery } => (lane, Some(delivery)),
        ParkedStep::Cut { lane } => (lane, None),
    };
    let known = bench.context.subscription(outlet.subscription().customer, outlet.id());
    if known.as_ref().is_none_or(|known| known.status != SubscriptionStatus::Active) {
        outlet.disabled_as(known.as_deref(), now_ms);
        return AfterParked::Again;
    }
    let permit = match permit(outlet, bench) {
        Ok(permit) => permit,
        Err(PermitDenied::Busy) => return AfterParked::Sleep { until_ms: Some(now_ms + BUSY_WAIT_MS) },
        Err(PermitDenied::Paced { until_ms }) => return AfterParked::Sleep { until_ms: Some(until_ms) },
        Err(PermitDenied::Open { until_ms }) => {
            let until_ms = until_ms.unwrap_or(0).max(now_ms + BUSY_WAIT_MS);
            return AfterParked::Sleep { until_ms: Some(until_ms) };
        }
    };
    match take_parked(outlet, bench, lane, failed) {
        Some(delivery) if is_too_old(&delivery, bench) => {
            give_up_old(outlet, bench, lane, delivery);
            AfterParked::Again
        }
        Some(delivery) => {
            bench.flights.launch_parked(&outlet.listener, delivery, lane, permit, now_ms);
            outlet.took_off(Turn::Outbox, now_ms);
            AfterParked::Sleep { until_ms: None }
        }
        None => AfterParked::Sleep { until_ms: None },
    }
}

/// Takes a failed delivery from a parked list, or cuts a webhook from it.
fn take_parked(
    outlet: &mut Outlet,
    bench: &Workbench<'_>,
    lane: Lane,
    failed: Option<DeliveryId>,
) -> Option<Delivery> {
    match failed {
        Some(id) => outlet.parked.retry(lane, id),
        None => {
            let target = &outlet.listener.target;
            let cut = outlet.parked.cut(lane, &target.subscription().batch, bench.now_ms, bench.durable);
            cut.map(|delivery| Delivery { shape: target.delivery_shape(), ..delivery })
        }
    }
}

fn is_too_old(delivery: &Delivery, bench: &Workbench<'_>) -> bool {
    bench.now_ms.saturating_sub(delivery.id.ms()) > bench.context.config.queue.delivery_age_max_ms
}

/// Makes a dead letter of a parked delivery that is too old.
fn give_up_old(outlet: &mut Outlet, bench: &mut Workbench<'_>, lane: Lane, delivery: Delivery) {
    let reason = DeadLetterReason::Exhausted;
    bench.context.metrics().ending(DeliveryEnding::GaveUp(reason), delivery.event_count());
    settlement::give_up(bench.commit, delivery, reason, HeldBy::ParkedList, bench.now_ms);
    outlet.parked.ended(bench.commit, lane, None);
}
