//! The contract suite of [`Catalogue`]. Each adapter's tests call [`all`] on an empty
//! catalogue.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed check is a panic")]

use super::{
    AuditNote, AuditQuery, AuditRetention, Catalogue, CatalogueChange, CatalogueError, ChangeContext,
    Revision,
};
use sluice_model::audit::AuditSource;
use sluice_model::{
    ApiKey, ApiKeyId, AuditAction, AuditActor, AuditDraft, AuditEntry, AuditId, AuditOrigin, AuditOutcome,
    BatchPolicy, Customer, CustomerId, CustomerStatus, DisabledReason, EventType, RetryPolicy, Scope, Scopes,
    Subscription, SubscriptionId, SubscriptionStatus,
};

/// A customer with a key, a subscription and an event type.
#[derive(Debug, Clone)]
pub struct CatalogueSample {
    /// The customer.
    pub customer: Customer,
    /// Its key.
    pub key: ApiKey,
    /// Its subscription, at version 1.
    pub subscription: Subscription,
    /// An event type that it declares.
    pub event_type: EventType,
}

impl CatalogueSample {
    /// A sample made at `now_ms`, with ids of its own.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        let id = CustomerId::new(now_ms);
        let customer = Customer {
            id,
            name: format!("Customer \"{now_ms}\" é"),
            email: None,
            status: CustomerStatus::Active,
            rate_limit_per_second: 1000,
            fan_out: 1,
            fan_out_ever: 1,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        let mut hash = [7; 32];
        hash[..16].copy_from_slice(&id.to_bytes());
        let key = ApiKey {
            id: ApiKeyId::new(now_ms),
            customer: id,
            hash,
            hint: "sk_test_abc".to_owned(),
            created_at_ms: now_ms,
            expires_at_ms: None,
            revoked_at_ms: None,
            scopes: Scopes::ALL,
        };
        let subscription = Subscription {
            id: SubscriptionId::new(now_ms),
            customer: id,
            version: 1,
            selector: r#"{"type":"event_type","value":"*"}"#.to_owned(),
            webhook_url: "https://example.com/hook".to_owned(),
            batch: BatchPolicy::default(),
            retry: RetryPolicy::default(),
            ordered: false,
            description: None,
            status: SubscriptionStatus::Active,
            secrets: Vec::new(),
            headers: Vec::new(),
            rate_limit_per_second: None,
            shape: Default::default(),
            effective_at_ms: now_ms,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        let event_type = EventType {
            customer: id,
            name: "order.created".to_owned(),
            description: Some("An order \"é\"".to_owned()),
            schema: r#"{"type": "object", "maximum": 12345678901234567890}"#.to_owned(),
            enforce: true,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        Self { customer, key, subscription, event_type }
    }

    async fn put(&self, catalogue: &dyn Catalogue) {
        catalogue.put_customer(&self.customer).await.unwrap();
        catalogue.put_key(&self.key).await.unwrap();
        catalogue.put_subscription(&self.subscription).await.unwrap();
        catalogue.put_event_type(&self.event_type).await.unwrap();
    }
}

/// Runs every check.
pub async fn all(catalogue: &dyn Catalogue) {
    changes_tell_what_changed_since(catalogue).await;
    versions_guard_subscriptions(catalogue).await;
    deleted_rows_stay_deleted(catalogue).await;
    keys_are_revoked_once_and_unique(catalogue).await;
    keys_keep_their_scopes(catalogue).await;
    rows_need_their_customer(catalogue).await;
    the_largest_fan_out_is_kept(catalogue).await;
    event_types_are_told_apart_by_customer_and_name(catalogue).await;
    a_deleted_event_type_may_be_declared_again(catalogue).await;
    a_change_leaves_one_entry_and_a_refused_one_none(catalogue).await;
    notes_begin_and_end(catalogue).await;
    entries_are_read_in_order_and_by_customer(catalogue).await;
    old_and_too_many_entries_go(catalogue).await;
}

async fn now(catalogue: &dyn Catalogue) -> Revision {
    catalogue.changes(Revision(0)).await.unwrap().revision
}

async fn changes_tell_what_changed_since(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(1);
    let before = now(catalogue).await;
    sample.put(catalogue).await;
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.customers.first(), Some(&sample.customer));
    assert_eq!(changes.keys, [sample.key]);
    assert_eq!(changes.subscriptions, [sample.subscription]);
    assert_eq!(changes.event_types, [sample.event_type]);
    assert!(changes.revision > before);

    let quiet = catalogue.changes(changes.revision).await.unwrap();
    assert!(quiet.customers.is_empty() && quiet.keys.is_empty() && quiet.subscriptions.is_empty());
    assert!(quiet.event_types.is_empty() && quiet.deleted_event_types.is_empty());
    assert_eq!(quiet.revision, changes.revision);

    let suspended = Customer { status: CustomerStatus::Suspended, ..sample.customer };
    catalogue.put_customer(&suspended).await.unwrap();
    let changes = catalogue.changes(quiet.revision).await.unwrap();
    assert_eq!(changes.customers, [suspended]);
    assert!(changes.keys.is_empty() && changes.subscriptions.is_empty());
}

async fn versions_guard_subscriptions(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(2);
    sample.put(catalogue).await;
    let next = Subscription { version: 2, ordered: true, ..sample.subscription.clone() };
    let again = catalogue.put_subscription(&sample.subscription).await;
    assert!(matches!(again, Err(CatalogueError::Conflict(_))), "{again:?}");
    catalogue.put_subscription(&next).await.unwrap();
    let again = catalogue.put_subscription(&next).await;
    assert!(matches!(again, Err(CatalogueError::Conflict(_))), "{again:?}");
    let other = Subscription { version: 3, customer: CustomerId::new(3), ..next };
    assert!(matches!(catalogue.put_subscription(&other).await, Err(CatalogueError::NotFound)));
    let unknown = Subscription { version: 2, id: SubscriptionId::new(3), ..sample.subscription };
    assert!(matches!(catalogue.put_subscription(&unknown).await, Err(CatalogueError::NotFound)));
}

async fn deleted_rows_stay_deleted(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(4);
    sample.put(catalogue).await;
    let subscription = sample.subscription;
    let (customer, id) = (subscription.customer, subscription.id);
    let stranger = catalogue.delete_subscription(CustomerId::new(5), id).await;
    assert!(matches!(stranger, Err(CatalogueError::NotFound)));
    let before = now(catalogue).await;
    catalogue.delete_subscription(customer, id).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.deleted_subscriptions, [(customer, id)]);
    assert!(changes.subscriptions.is_empty());
    let all = catalogue.changes(Revision(0)).await.unwrap();
    assert!(all.subscriptions.iter().all(|subscription| subscription.id != id));
    assert!(matches!(catalogue.delete_subscription(customer, id).await, Err(CatalogueError::NotFound)));
    let late = Subscription { version: 2, ..subscription };
    assert!(matches!(catalogue.put_subscription(&late).await, Err(CatalogueError::NotFound)));
}

async fn keys_are_revoked_once_and_unique(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(6);
    sample.put(catalogue).await;
    let (customer, id) = (sample.customer.id, sample.key.id);
    let stranger = catalogue.revoke_key(CustomerId::new(7), id, 8).await;
    assert!(matches!(stranger, Err(CatalogueError::NotFound)));
    let before = now(catalogue).await;
    catalogue.revoke_key(customer, id, 8).await.unwrap();
    catalogue.revoke_key(customer, id, 9).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.keys, [ApiKey { revoked_at_ms: Some(8), ..sample.key.clone() }]);

    let twin = ApiKey { id: ApiKeyId::new(9), ..sample.key };
    assert!(matches!(catalogue.put_key(&twin).await, Err(CatalogueError::Conflict(_))));
}

async fn keys_keep_their_scopes(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(12);
    catalogue.put_customer(&sample.customer).await.unwrap();
    let before = now(catalogue).await;
    let scopes = Scopes::of(&[Scope::EventsRead, Scope::SubscriptionsRead]);
    let key = ApiKey { scopes, expires_at_ms: Some(13), ..sample.key };
    catalogue.put_key(&key).await.unwrap();
    assert_eq!(catalogue.changes(before).await.unwrap().keys.first(), Some(&key));
    catalogue.revoke_key(key.customer, key.id, 14).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.keys, [ApiKey { revoked_at_ms: Some(14), ..key }]);
}

async fn rows_need_their_customer(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(10);
    assert!(matches!(catalogue.put_key(&sample.key).await, Err(CatalogueError::NotFound)));
    let orphan = catalogue.put_subscription(&sample.subscription).await;
    assert!(matches!(orphan, Err(CatalogueError::NotFound)));
    let orphan = catalogue.put_event_type(&sample.event_type).await;
    assert!(matches!(orphan, Err(CatalogueError::NotFound)));
}

async fn the_largest_fan_out_is_kept(catalogue: &dyn Catalogue) {
    let customer = CatalogueSample::new(11).customer;
    let before = now(catalogue).await;
    for fan_out in [2, 8, 4] {
        let changed = Customer { fan_out, fan_out_ever: fan_out, ..customer.clone() };
        catalogue.put_customer(&changed).await.unwrap();
    }
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!((changes.customers[0].fan_out, changes.customers[0].fan_out_ever), (4, 8));
}

async fn event_types_are_told_apart_by_customer_and_name(catalogue: &dyn Catalogue) {
    let (one, two) = (CatalogueSample::new(12), CatalogueSample::new(13));
    let before = now(catalogue).await;
    one.put(catalogue).await;
    two.put(catalogue).await;
    let paid = EventType { name: "order.paid".to_owned(), ..one.event_type.clone() };
    catalogue.put_event_type(&paid).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.event_types, [one.event_type.clone(), two.event_type.clone(), paid.clone()]);

    // A replacement keeps the time of the declaration, and an equal one changes nothing.
    let changed = EventType { enforce: false, created_at_ms: 99, updated_at_ms: 99, ..paid.clone() };
    catalogue.put_event_type(&changed).await.unwrap();
    let kept = EventType { created_at_ms: paid.created_at_ms, ..changed.clone() };
    let after = catalogue.changes(changes.revision).await.unwrap();
    assert_eq!(after.event_types, [kept]);
    catalogue.put_event_type(&EventType { updated_at_ms: 100, ..changed }).await.unwrap();
    assert_eq!(now(catalogue).await, after.revision);
}

async fn a_deleted_event_type_may_be_declared_again(catalogue: &dyn Catalogue) {
    let sample = CatalogueSample::new(14);
    sample.put(catalogue).await;
    let (customer, name) = (sample.customer.id, &*sample.event_type.name);
    let stranger = catalogue.delete_event_type(CustomerId::new(15), name).await;
    assert!(matches!(stranger, Err(CatalogueError::NotFound)));
    let before = now(catalogue).await;
    catalogue.delete_event_type(customer, name).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.deleted_event_types, [(customer, name.to_owned())]);
    assert!(changes.event_types.is_empty());
    assert!(matches!(catalogue.delete_event_type(customer, name).await, Err(CatalogueError::NotFound)));
    let again = EventType { created_at_ms: 20, updated_at_ms: 20, ..sample.event_type.clone() };
    catalogue.put_event_type(&again).await.unwrap();
    let changes = catalogue.changes(changes.revision).await.unwrap();
    assert_eq!(changes.event_types, [again]);
    assert!(changes.deleted_event_types.is_empty());
}

/// All entries about a customer, the oldest first.
async fn entries(catalogue: &dyn Catalogue, customer: CustomerId) -> Vec<AuditEntry> {
    catalogue.audit(query(Some(customer))).await.unwrap()
}

fn query(customer: Option<CustomerId>) -> AuditQuery {
    let (from, until) = (AuditId::from_u128(0), AuditId::from_u128(u128::MAX));
    AuditQuery { customer, from, until, newest_first: false, limit: 10_000 }
}

fn actions(entries: &[AuditEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

/// A key's holder at an address.
fn origin() -> AuditOrigin {
    let from = AuditSource {
        address: Some([192, 0, 2, 1].into()),
        forwarded_for: None,
        request_id: "request".to_owned(),
        user_agent: Some("agent".to_owned()),
    };
    AuditOrigin { actor: AuditActor::Key { key_id: ApiKeyId::from_u128(77) }, from: Some(from) }
}

async fn a_change_leaves_one_entry_and_a_refused_one_none(catalogue: &dyn Catalogue) {
    let CatalogueSample { customer, key, subscription, .. } = CatalogueSample::new(20);
    let orphan = catalogue.change(CatalogueChange::PutKey(key.clone()), origin().into()).await;
    assert!(matches!(orphan, Err(CatalogueError::NotFound)));
    assert_eq!(entries(catalogue, customer.id).await, [], "what was not made is not told");
    let change = |change| catalogue.change(change, origin().into());
    change(CatalogueChange::PutCustomer(customer.clone())).await.unwrap();
    change(CatalogueChange::PutKey(key.clone())).await.unwrap();
    change(CatalogueChange::PutSubscription(subscription.clone())).await.unwrap();
    let next = Subscription { version: 2, ordered: true, ..subscription.clone() };
    change(CatalogueChange::PutSubscription(next.clone())).await.unwrap();
    let again = change(CatalogueChange::PutSubscription(next.clone())).await;
    assert!(matches!(again, Err(CatalogueError::Conflict(_))));
    // A new version that alters no field that the log names.
    let silent = Subscription { version: 3, effective_at_ms: 99, ..next };
    change(CatalogueChange::PutSubscription(silent.clone())).await.unwrap();
    let context = ChangeContext { origin: origin(), secret_fields: vec!["secret".to_owned()] };
    let rotated = Subscription { version: 4, ..silent };
    catalogue.change(CatalogueChange::PutSubscription(rotated.clone()), context).await.unwrap();
    let status = SubscriptionStatus::Disabled { reason: DisabledReason::Gone };
    let disabled = Subscription { version: 5, status, ..rotated };
    catalogue.put_subscription(&disabled).await.unwrap();
    let (customer, id) = (customer.id, subscription.id);
    change(CatalogueChange::DeleteSubscription { customer, id }).await.unwrap();
    change(CatalogueChange::RevokeKey { customer, key: key.id, now_ms: 21 }).await.unwrap();
    change(CatalogueChange::RevokeKey { customer, key: key.id, now_ms: 22 }).await.unwrap();

    let found = entries(catalogue, customer).await;
    assert_eq!(
        actions(&found),
        [
            "customer.created",
            "key.created",
            "subscription.created",
            "subscription.updated",
            "subscription.secret_rotated",
            "subscription.disabled",
            "subscription.deleted",
            "key.revoked",
        ]
    );
    assert!(found.is_sorted_by(|a, b| a.id < b.id));
    for entry in &found {
        let by_itself = entry.action == "subscription.disabled";
        let wanted = if by_itself { AuditOrigin::SYSTEM } else { origin() };
        assert_eq!((entry.actor, &entry.from), (wanted.actor, &wanted.from), "{entry:?}");
        assert_eq!((entry.outcome, &entry.error), (AuditOutcome::Done, &None));
        assert_eq!(entry.customer, Some(customer));
    }
    assert_eq!(found[1].subject["key_id"], key.id.to_string());
    assert_eq!(found[3].subject["workflow_id"], id.to_string());
    let [change] = &found[3].changes[..] else { panic!("{:?}", found[3]) };
    assert_eq!(
        (change.field.as_str(), &change.before, &change.after),
        ("ordered", &Some(false.into()), &Some(true.into()))
    );
    let [change] = &found[4].changes[..] else { panic!("{:?}", found[4]) };
    assert!(change.secret && change.field == "secret" && change.before.is_none() && change.after.is_none());
}

fn draft(customer: CustomerId) -> AuditDraft {
    let details = [("filter".to_owned(), "all".into())].into_iter().collect();
    AuditDraft {
        customer: Some(customer),
        action: AuditAction::DeadLettersRedriven,
        subject: Default::default(),
        changes: Vec::new(),
        details,
    }
}

async fn notes_begin_and_end(catalogue: &dyn Catalogue) {
    let customer = CustomerId::new(30);
    let before = now(catalogue).await;
    let id = catalogue.note(AuditNote::Begin(draft(customer), origin())).await.unwrap();
    let [begun] = &entries(catalogue, customer).await[..] else { panic!("one entry") };
    assert_eq!((begun.id, begun.outcome), (id, AuditOutcome::Begun));
    let end = |id| AuditNote::End {
        id,
        outcome: AuditOutcome::Failed,
        error: Some("UNAVAILABLE".to_owned()),
        details: [("redriven".to_owned(), 3.into())].into_iter().collect(),
    };
    assert_eq!(catalogue.note(end(id)).await.unwrap(), id);
    let [ended] = &entries(catalogue, customer).await[..] else { panic!("one entry") };
    assert_eq!(
        (ended.id, ended.outcome, ended.error.as_deref()),
        (id, AuditOutcome::Failed, Some("UNAVAILABLE"))
    );
    assert_eq!((&ended.details["filter"], &ended.details["redriven"]), (&"all".into(), &3.into()));
    assert_eq!(ended.from, origin().from);
    let gone = catalogue.note(end(AuditId::from_u128(1))).await;
    assert!(matches!(gone, Err(CatalogueError::NotFound)), "{gone:?}");
    let changes = catalogue.changes(before).await.unwrap();
    assert!(changes.customers.is_empty() && changes.keys.is_empty() && changes.subscriptions.is_empty());
}

async fn entries_are_read_in_order_and_by_customer(catalogue: &dyn Catalogue) {
    let (one, other) = (CustomerId::new(40), CustomerId::new(41));
    for customer in [one, other, one, one, other] {
        catalogue.note(AuditNote::Begin(draft(customer), AuditOrigin::SYSTEM)).await.unwrap();
    }
    let all = entries(catalogue, one).await;
    assert_eq!((all.len(), entries(catalogue, other).await.len()), (3, 2));
    let read = |query| async move {
        catalogue.audit(query).await.unwrap().into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    let ids: Vec<AuditId> = all.iter().map(|entry| entry.id).collect();
    assert_eq!(read(AuditQuery { from: ids[1], ..query(Some(one)) }).await, ids[1..]);
    assert_eq!(read(AuditQuery { until: ids[1], ..query(Some(one)) }).await, ids[..1]);
    assert_eq!(read(AuditQuery { limit: 2, ..query(Some(one)) }).await, ids[..2]);
    let newest = read(AuditQuery { newest_first: true, limit: 2, ..query(Some(one)) }).await;
    assert_eq!(newest, [ids[2], ids[1]]);
    let both = read(AuditQuery { from: ids[0], ..query(None) }).await;
    assert!(both.len() == 5 && both.is_sorted(), "{both:?}");
    let newest = read(AuditQuery { from: ids[0], newest_first: true, ..query(None) }).await;
    assert!(newest.iter().rev().eq(&both), "{newest:?}");
}

async fn old_and_too_many_entries_go(catalogue: &dyn Catalogue) {
    let (loud, quiet) = (CustomerId::new(50), CustomerId::new(51));
    let note = |customer, origin| catalogue.note(AuditNote::Begin(draft(customer), origin));
    let old = note(quiet, origin()).await.unwrap();
    let from = AuditId::from_u128(old.as_u128() + 1);
    // Age alone, a step at a time.
    let retention = AuditRetention { from, rows_max: u64::MAX, step: 3 };
    let mut steps = Vec::new();
    while let deleted @ 1.. = catalogue.trim_audit(retention).await.unwrap() {
        steps.push(deleted);
    }
    assert!(steps.iter().all(|deleted| *deleted <= 3) && steps.len() > 2, "{steps:?}");
    assert_eq!(catalogue.audit(query(None)).await.unwrap(), []);

    // A flood by one customer's keys pushes out its own entries, but not those of others, nor
    // those of operators about it.
    let admin = AuditOrigin { actor: AuditActor::Admin, from: None };
    note(loud, admin).await.unwrap();
    note(quiet, origin()).await.unwrap();
    for _ in 0..20 {
        note(loud, origin()).await.unwrap();
    }
    let newest = note(loud, origin()).await.unwrap();
    let retention = AuditRetention { from, rows_max: 10, step: 1000 };
    while catalogue.trim_audit(retention).await.unwrap() > 0 {}
    let left = catalogue.audit(query(None)).await.unwrap();
    assert_eq!(left.len(), 10);
    assert_eq!(left.iter().filter(|entry| entry.customer == Some(quiet)).count(), 1);
    assert_eq!(left.iter().filter(|entry| entry.actor == AuditActor::Admin).count(), 1);
    assert_eq!(left.last().map(|entry| entry.id), Some(newest), "the oldest go");
    // Later entries have ids above the earlier ones.
    assert!(note(quiet, origin()).await.unwrap() > newest);
    assert_eq!(catalogue.trim_audit(AuditRetention { rows_max: 11, ..retention }).await.unwrap(), 0);
}
