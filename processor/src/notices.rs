//! Telling customers about their subscriptions by product events: pure, except that the directory is
//! asked about subscriptions.
//!
//! A commit appends these events after the reported changes are durable and before it settles
//! anything. If the process dies in between, the changes are reported again: a dead letter's
//! `delivery_id` and a subscription's `version` are their identity.

use serde::Serialize;
use sluice_catalogue::directory::Directory;
use sluice_model::clock::rfc3339_string;
use sluice_model::{
    CustomerId, DeadLetter, DeadLetterId, DeadLetterReason, DeliveryId, DisabledReason, Subscription,
    SubscriptionId,
};
use sluice_ports::PortError;
use sluice_ports::product_events::{ProductEvent, ProductEventKind, ProductEvents};
use sluice_selector::PRODUCT_TYPES;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The most dead letters that one event names.
const NAMED_MAX: usize = 100;

/// Makes product events and appends them. Does nothing before [`Self::open`].
#[derive(Clone, Default)]
pub struct NoticeDesk(Arc<OnceLock<OpenDesk>>);

/// A desk that knows where events go.
struct OpenDesk {
    directory: Arc<Directory>,
    events: Arc<dyn ProductEvents>,
}

/// A backlog above the configured share of its limit.
#[derive(Debug, Clone)]
pub struct HighBacklog {
    /// The events in the backlog.
    pub events: u64,
    /// The limit.
    pub events_max: u64,
}

/// The notices of a commit.
pub struct CommitNotices<'a> {
    /// Deliveries that were given up.
    pub dead_letters: &'a [DeadLetter],
    /// Subscriptions that are being disabled.
    pub disabled: Vec<(&'a Subscription, DisabledReason)>,
    /// Subscriptions whose backlog is high.
    pub high: Vec<(&'a Subscription, &'a HighBacklog)>,
}

#[derive(Serialize)]
struct DisabledNotice {
    workflow_id: SubscriptionId,
    reason: &'static str,
    version: u32,
    at: String,
}

#[derive(Serialize)]
struct BacklogNotice {
    workflow_id: SubscriptionId,
    events: u64,
    events_max: u64,
    at: String,
}

#[derive(Serialize)]
struct DeadLetterNotice<'a> {
    workflow_id: SubscriptionId,
    reason: &'static str,
    /// How many deliveries were given up.
    deliveries: usize,
    events: usize,
    last_status: Option<u16>,
    last_error: Option<&'a str>,
    /// The first of these dead letters.
    dead_letters: Vec<NamedLetter>,
    at: String,
}

#[derive(Serialize)]
struct NamedLetter {
    dead_letter_id: DeadLetterId,
    delivery_id: DeliveryId,
    event_count: usize,
}

impl NoticeDesk {
    /// From now on events are appended to `events`, and subscriptions are looked up in this directory.
    /// Only the first call counts.
    pub fn open(&self, directory: Arc<Directory>, events: Arc<dyn ProductEvents>) {
        self.0.set(OpenDesk { directory, events }).ok();
    }

    /// Tells customers about a commit.
    pub(crate) async fn tell(&self, told: &CommitNotices<'_>, now_ms: u64) -> Result<(), PortError> {
        let Some(desk) = self.0.get() else { return Ok(()) };
        let notices = desk.notices(told, now_ms);
        if notices.is_empty() { Ok(()) } else { desk.events.append(&notices).await }
    }
}

impl OpenDesk {
    fn notices(&self, told: &CommitNotices<'_>, now_ms: u64) -> Vec<ProductEvent> {
        let mut notices = self.of_dead_letters(told.dead_letters, now_ms);
        let at = || rfc3339_string(now_ms);
        for (subscription, reason) in &told.disabled {
            // If its owner changed it since, it is not disabled.
            let known = self.subscription(subscription.customer, subscription.id);
            if known.is_none_or(|known| known.version > subscription.version) {
                continue;
            }
            let notice = DisabledNotice {
                workflow_id: subscription.id,
                reason: reason.as_str(),
                version: subscription.version + 1,
                at: at(),
            };
            notices.push(event(subscription.customer, ProductEventKind::SubscriptionDisabled, &notice));
        }
        for (subscription, high) in &told.high {
            let HighBacklog { events, events_max } = **high;
            let notice = BacklogNotice { workflow_id: subscription.id, events, events_max, at: at() };
            notices.push(event(subscription.customer, ProductEventKind::BacklogHigh, &notice));
        }
        notices
    }

    /// One event for each subscription and reason. Nothing is reported about a subscription that gets
    /// product events, since its failure would make more of them.
    fn of_dead_letters(&self, letters: &[DeadLetter], now_ms: u64) -> Vec<ProductEvent> {
        let mut groups: BTreeMap<(CustomerId, SubscriptionId, &str), Vec<&DeadLetter>> = BTreeMap::new();
        for letter in letters {
            let key = (letter.delivery.customer, letter.delivery.subscription, reason_of(letter));
            groups.entry(key).or_default().push(letter);
        }
        let told = groups.into_iter().filter(|((customer, subscription, _), _)| {
            let known = self.subscription(*customer, *subscription);
            !known.is_some_and(|known| known.selector.contains(PRODUCT_TYPES))
        });
        told.map(|((customer, subscription, reason), letters)| {
            let last = letters.last().map(|letter| &letter.delivery.last);
            let named = letters.iter().take(NAMED_MAX).map(|letter| NamedLetter {
                dead_letter_id: letter.id,
                delivery_id: letter.delivery.id,
                event_count: letter.delivery.event_count(),
            });
            let notice = DeadLetterNotice {
                workflow_id: subscription,
                reason,
                deliveries: letters.len(),
                events: letters.iter().map(|letter| letter.delivery.event_count()).sum(),
                last_status: last.and_then(|last| last.status),
                last_error: last.and_then(|last| last.error.as_deref()),
                dead_letters: named.collect(),
                at: rfc3339_string(now_ms),
            };
            event(customer, ProductEventKind::DeliveryDeadLettered, &notice)
        })
        .collect()
    }

    fn subscription(&self, customer: CustomerId, id: SubscriptionId) -> Option<Arc<Subscription>> {
        let state = self.directory.customer(customer)?.state();
        state.subscription(id).map(Arc::clone)
    }
}

const fn reason_of(letter: &DeadLetter) -> &'static str {
    let reason: DeadLetterReason = letter.reason;
    reason.as_str()
}

fn event(customer: CustomerId, kind: ProductEventKind, payload: &impl Serialize) -> ProductEvent {
    let payload = serde_json::to_string(payload).expect("a notice has string keys only");
    ProductEvent { customer, kind, payload }
}
