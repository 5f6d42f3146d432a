//! Moving events from the log to the queue, to a parked list, or to the dead letters.

use super::flights::{Flight, FlightKeeper};
use super::outlet::Outlet;
use super::workbench::Workbench;
use crate::commit::Commit;
use crate::context::{Context, DetachedRoom};
use crate::notices::HighBacklog;
use crate::settlement::{self, DeliveryEnding, HeldBy};
use crate::slice::{Slice, TicketShare};
use crate::target::Target;
use sluice_history::usage::EndedEvents;
use sluice_model::{DeadLetterReason, Delivery, DisabledReason};
use std::sync::Arc;

/// How long after its timeout a POST may still count as under way.
const TIMEOUT_MARGIN_MS: u64 = 1000;

/// Events that leave the shard.
struct Leaving {
    delivery: Delivery,
    /// The version of the subscription that the delivery was made for.
    target: Arc<Target>,
    tickets: Vec<TicketShare>,
    /// The events, if the subscription is ordered.
    slices: Vec<Slice>,
}

/// Moves all waiting events of an outlet to the queue, due at `due_ms`, or to its parked lists; or
/// makes dead letters of them, if the subscription is gone or its backlog is full.
pub(super) fn hand_over(outlet: &mut Outlet, bench: &mut Workbench<'_>, due_ms: u64) {
    let now_ms = bench.now_ms;
    park_flights(outlet, bench);
    let leaving = take_waiting(outlet, bench);
    let parked = outlet.parked.events();
    if leaving.is_empty() && (parked == 0 || outlet.gone.is_none()) {
        return;
    }
    let events: usize = leaving.iter().map(|leaving| leaving.delivery.event_count()).sum();
    cap_backlog(outlet, bench.context, bench.commit, events, now_ms);
    match outlet.gone {
        Some((reason, _)) => {
            outlet.parked.give_up(bench.commit, bench.context.metrics(), reason, now_ms);
            leaving.into_iter().for_each(|leaving| give_up(bench, leaving, reason));
        }
        None => {
            bench.context.metrics().events_handed_over.increment(events as u64);
            for Leaving { delivery, target, tickets, slices } in leaving {
                if slices.is_empty() {
                    bench.commit.keep_shape(target.shape().as_ref(), now_ms);
                    let due_ms = bench.planned_ms(&outlet.listener.endpoint, &delivery, due_ms);
                    settlement::wait(bench.commit, delivery, due_ms);
                    settle_all(bench.commit, tickets);
                } else {
                    outlet.hold_back(bench.commit, &slices, due_ms, now_ms);
                }
            }
        }
    }
}

/// Takes out the signed webhook and all events of the outbox.
fn take_waiting(outlet: &mut Outlet, bench: &mut Workbench<'_>) -> Vec<Leaving> {
    let mut waiting = Vec::new();
    if let Some(staged) = outlet.staged.take()
        && let Some(flight) = bench.flights.withdraw(staged.task)
        && let FlightKeeper::Log { tickets, slices } = flight.keeper
    {
        let target = Arc::clone(&flight.listener.target);
        waiting.push(Leaving { delivery: flight.delivery, target, tickets, slices });
    }
    let subscription = Arc::clone(outlet.subscription());
    let target = &outlet.listener.target;
    while let Some(cut) = outlet.outbox.cut(&subscription.batch, subscription.ordered) {
        let delivery = target.delivery(cut.event_refs(), bench.now_ms);
        let tickets = cut.tickets();
        let slices = if subscription.ordered { cut.slices } else { Vec::new() };
        waiting.push(Leaving { delivery, target: Arc::clone(target), tickets, slices });
    }
    waiting
}

fn give_up(bench: &mut Workbench<'_>, leaving: Leaving, reason: DeadLetterReason) {
    let Leaving { delivery, tickets, .. } = leaving;
    let ended = EndedEvents {
        customer: delivery.customer,
        subscription: delivery.subscription,
        accepted_ms: 0,
        at_ms: bench.now_ms,
        delivered: 0,
        failed: 0,
    };
    for share in &tickets {
        let (accepted_ms, failed) = (share.batch.ms(), share.events as u32);
        bench.commit.count(share.ticket, EndedEvents { accepted_ms, failed, ..ended });
    }
    bench.context.metrics().ending(DeliveryEnding::GaveUp(reason), delivery.event_count());
    settlement::give_up(bench.commit, delivery, reason, HeldBy::Log, bench.now_ms);
    settle_all(bench.commit, tickets);
}

fn settle_all(commit: &mut Commit, tickets: Vec<TicketShare>) {
    tickets.into_iter().for_each(|share| commit.settle(share.ticket, share.events));
}

/// Parks the webhooks of an ordered subscription that are under way: the events behind them are
/// about to be parked, and after a crash must not be parked without them.
fn park_flights(outlet: &mut Outlet, bench: &mut Workbench<'_>) {
    if !outlet.subscription().ordered || outlet.in_flight == 0 {
        return;
    }
    let (id, due_ms) = (outlet.id(), due_after_attempt(bench.context, bench.now_ms));
    for flight in bench.flights.iter_mut().filter(|flight| flight.listener.target.id() == id) {
        let FlightKeeper::Log { tickets, slices } = &mut flight.keeper else { continue };
        bench.commit.keep_shape(flight.listener.target.shape().as_ref(), bench.now_ms);
        if let Some(lane) = outlet.parked.fail_away(bench.commit, &flight.delivery, slices, due_ms) {
            settle_all(bench.commit, std::mem::take(tickets));
            flight.keeper = FlightKeeper::Parked(lane, None);
        }
    }
}

/// Lets a POST that is older than the age cap continue without the log: a parked list or the queue
/// holds its events until it ends.
pub(super) fn detach(
    outlet: &mut Outlet,
    flight: &mut Flight,
    room: DetachedRoom,
    context: &Context,
    commit: &mut Commit,
    now_ms: u64,
) {
    let FlightKeeper::Log { tickets, slices } = &mut flight.keeper else { return };
    let due_ms = due_after_attempt(context, now_ms);
    settle_all(commit, std::mem::take(tickets));
    commit.keep_shape(flight.listener.target.shape().as_ref(), now_ms);
    match outlet.parked.fail_away(commit, &flight.delivery, slices, due_ms) {
        // A parked delivery still counts as the one delivery that may be under way.
        Some(lane) => {
            flight.keeper = FlightKeeper::Parked(lane, Some(room));
            outlet.divert_held(commit, now_ms);
        }
        None => {
            settlement::wait(commit, flight.delivery.clone(), due_ms);
            flight.keeper = FlightKeeper::Queue(room);
            outlet.in_flight -= 1;
        }
    }
    outlet.slow_until_ms = now_ms + context.config.shard.age_cap_ms;
}

/// When an attempt under way has surely ended: its events are not due before.
fn due_after_attempt(context: &Context, now_ms: u64) -> u64 {
    now_ms + context.config.webhook.timeout_ms + TIMEOUT_MARGIN_MS
}

/// Disables the subscription if its backlog is above the limit. The backlog is the events in the queue,
/// the parked ones, and `leaving` more.
pub(super) fn cap_backlog(
    outlet: &mut Outlet,
    context: &Context,
    commit: &mut Commit,
    leaving: usize,
    now_ms: u64,
) {
    if outlet.gone.is_some() {
        return;
    }
    let id = outlet.id();
    let not_queued = commit.waiting_events(id) + outlet.parked.events() + leaving;
    let backlog = context.stores.queue.backlog(id).events + not_queued as u64;
    let queue = &context.config.queue;
    if backlog > queue.backlog_high() {
        if !outlet.told_high {
            outlet.told_high = true;
            let high = HighBacklog { events: backlog, events_max: queue.backlog_events_max };
            commit.backlog_is_high(outlet.subscription(), high);
        }
    } else if backlog <= queue.backlog_high() / 2 {
        outlet.told_high = false;
    }
    if backlog > queue.backlog_events_max {
        commit.disable(outlet.subscription(), DisabledReason::BacklogFull);
        outlet.gone = Some((DeadLetterReason::BacklogFull, now_ms));
    }
}
