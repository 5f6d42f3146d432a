//! What every [`Catalogue`] must do. Each adapter's tests call [`all`] on an
//! empty catalogue.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{Catalogue, CatalogueError, Revision};
use sluice_model::{
    ApiKey, ApiKeyId, BatchPolicy, Customer, CustomerId, CustomerStatus, EventType, RetryPolicy, Scope,
    Scopes, Subscription, SubscriptionId, SubscriptionStatus,
};

/// A customer with a key, a subscription and an event type.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The customer.
    pub customer: Customer,
    /// Its key.
    pub key: ApiKey,
    /// Its subscription, at version 1.
    pub subscription: Subscription,
    /// An event type that it declares.
    pub event_type: EventType,
}

impl Sample {
    /// One made at `now_ms`, with ids of its own.
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

/// Every check.
pub async fn all(catalogue: &dyn Catalogue) {
    changes_tell_what_changed_since(catalogue).await;
    versions_guard_subscriptions(catalogue).await;
    what_is_deleted_stays_deleted(catalogue).await;
    keys_are_revoked_once_and_unique(catalogue).await;
    keys_keep_their_scopes(catalogue).await;
    rows_need_their_customer(catalogue).await;
    the_largest_fan_out_is_kept(catalogue).await;
    event_types_are_told_apart_by_customer_and_name(catalogue).await;
    a_deleted_event_type_may_be_declared_again(catalogue).await;
}

async fn now(catalogue: &dyn Catalogue) -> Revision {
    catalogue.changes(Revision(0)).await.unwrap().revision
}

async fn changes_tell_what_changed_since(catalogue: &dyn Catalogue) {
    let sample = Sample::new(1);
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
    let sample = Sample::new(2);
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

async fn what_is_deleted_stays_deleted(catalogue: &dyn Catalogue) {
    let sample = Sample::new(4);
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
    let sample = Sample::new(6);
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
    let sample = Sample::new(12);
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
    let sample = Sample::new(10);
    assert!(matches!(catalogue.put_key(&sample.key).await, Err(CatalogueError::NotFound)));
    let orphan = catalogue.put_subscription(&sample.subscription).await;
    assert!(matches!(orphan, Err(CatalogueError::NotFound)));
    let orphan = catalogue.put_event_type(&sample.event_type).await;
    assert!(matches!(orphan, Err(CatalogueError::NotFound)));
}

async fn the_largest_fan_out_is_kept(catalogue: &dyn Catalogue) {
    let customer = Sample::new(11).customer;
    let before = now(catalogue).await;
    for fan_out in [2, 8, 4] {
        let changed = Customer { fan_out, fan_out_ever: fan_out, ..customer.clone() };
        catalogue.put_customer(&changed).await.unwrap();
    }
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!((changes.customers[0].fan_out, changes.customers[0].fan_out_ever), (4, 8));
}

async fn event_types_are_told_apart_by_customer_and_name(catalogue: &dyn Catalogue) {
    let (one, two) = (Sample::new(12), Sample::new(13));
    let before = now(catalogue).await;
    one.put(catalogue).await;
    two.put(catalogue).await;
    let paid = EventType { name: "order.paid".to_owned(), ..one.event_type.clone() };
    catalogue.put_event_type(&paid).await.unwrap();
    let changes = catalogue.changes(before).await.unwrap();
    assert_eq!(changes.event_types, [one.event_type.clone(), two.event_type.clone(), paid.clone()]);

    // A replacement keeps the time of the declaration; the same again changes nothing.
    let changed = EventType { enforce: false, created_at_ms: 99, updated_at_ms: 99, ..paid.clone() };
    catalogue.put_event_type(&changed).await.unwrap();
    let kept = EventType { created_at_ms: paid.created_at_ms, ..changed.clone() };
    let after = catalogue.changes(changes.revision).await.unwrap();
    assert_eq!(after.event_types, [kept]);
    catalogue.put_event_type(&EventType { updated_at_ms: 100, ..changed }).await.unwrap();
    assert_eq!(now(catalogue).await, after.revision);
}

async fn a_deleted_event_type_may_be_declared_again(catalogue: &dyn Catalogue) {
    let sample = Sample::new(14);
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
