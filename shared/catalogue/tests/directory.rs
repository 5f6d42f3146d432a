//! The directory over a real catalogue.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_model::{AuditOrigin, Customer, CustomerStatus, EventType, Subscription, SubscriptionId};
use sluice_ports::catalogue::CatalogueError;
use sluice_ports::catalogue::contract::CatalogueSample;
use sluice_ports::{Catalogue, PortError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct RunningDirectory {
    directory: Arc<Directory>,
    catalogue: SqliteCatalogue,
    _folder: tempfile::TempDir,
    _stop: tokio_util::sync::DropGuard,
}

async fn running() -> RunningDirectory {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let settings = DirectorySettings { poll: Duration::from_millis(20) };
    let (directory, refresher) = Directory::load(Arc::new(catalogue.clone()), settings).await.unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(refresher.run(stop.clone()));
    RunningDirectory { directory, catalogue, _folder: folder, _stop: stop.drop_guard() }
}

#[tokio::test]
async fn a_change_is_known_when_it_answers() {
    let running = running().await;
    let directory = &running.directory;
    let sample = CatalogueSample::new(1);
    directory.put_customer(&sample.customer, AuditOrigin::SYSTEM).await.unwrap();
    directory.put_key(&sample.key, AuditOrigin::SYSTEM).await.unwrap();
    directory.put_subscription(&sample.subscription, AuditOrigin::SYSTEM).await.unwrap();
    let entry = directory.customer(sample.customer.id).unwrap();
    assert_eq!(*entry.state().subscription(sample.subscription.id).unwrap().as_ref(), sample.subscription);
    let key = directory.key(&sample.key.hash).unwrap();
    assert!(Arc::ptr_eq(key.customer(), &entry));
    assert!(key.is_valid());
    directory.revoke_key(sample.customer.id, sample.key.id, AuditOrigin::SYSTEM).await.unwrap();
    assert!(!key.is_valid());
    directory
        .delete_subscription(sample.customer.id, sample.subscription.id, AuditOrigin::SYSTEM)
        .await
        .unwrap();
    assert!(entry.state().subscriptions.is_empty());
}

#[tokio::test]
async fn a_value_of_an_event_type_is_derived_once_for_each_version() {
    let running = running().await;
    let directory = &running.directory;
    let sample = CatalogueSample::new(1);
    directory.put_customer(&sample.customer, AuditOrigin::SYSTEM).await.unwrap();
    let entry = directory.customer(sample.customer.id).unwrap();
    assert!(!entry.declares_types());
    directory.put_event_type(&sample.event_type, AuditOrigin::SYSTEM).await.unwrap();
    assert!(entry.declares_types());
    let made = || {
        let state = entry.state();
        let declared = state.event_type("order.created").unwrap();
        declared.made(|event_type| (event_type.enforce, String::from("compiled")))
    };
    let first = made();
    // Another change of the customer does not derive it again.
    directory.put_key(&sample.key, AuditOrigin::SYSTEM).await.unwrap();
    assert!(Arc::ptr_eq(&first, &made()));
    let changed = EventType { enforce: false, ..sample.event_type.clone() };
    directory.put_event_type(&changed, AuditOrigin::SYSTEM).await.unwrap();
    assert_eq!((first.0, made().0), (true, false));
    directory.delete_event_type(sample.customer.id, "order.created", AuditOrigin::SYSTEM).await.unwrap();
    assert!(!entry.declares_types() && entry.state().event_type("order.created").is_none());
}

#[tokio::test]
async fn a_change_made_elsewhere_is_polled() {
    let running = running().await;
    let sample = CatalogueSample::new(1);
    let before = running.directory.revision();
    running.catalogue.put_customer(&sample.customer).await.unwrap();
    // Nobody asks for a refresh, and nothing tells of a poll, so the test looks again and again.
    let polled = async {
        while running.directory.customer(sample.customer.id).is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), polled).await.unwrap();
    running.directory.refresh().await.unwrap();
    assert!(running.directory.revision() > before);
}

#[tokio::test]
async fn entry_and_limiter_outlive_changes() {
    let running = running().await;
    let directory = &running.directory;
    let customer = Customer { rate_limit_per_second: 10_000, ..CatalogueSample::new(1).customer };
    directory.put_customer(&customer, AuditOrigin::SYSTEM).await.unwrap();
    let entry = directory.customer(customer.id).unwrap();
    entry.limiter().take(10_000, 5).unwrap();
    let suspended = Customer { status: CustomerStatus::Suspended, fan_out: 4, ..customer };
    directory.put_customer(&suspended, AuditOrigin::SYSTEM).await.unwrap();
    assert!(entry.limiter().take(10_000, 5).is_err());
    assert_eq!((entry.is_active(), entry.fan_out()), (false, 4));
    assert!(Arc::ptr_eq(&entry, &directory.customer(entry.id()).unwrap()));
}

#[tokio::test]
async fn only_customers_that_changed_have_a_new_revision() {
    let running = running().await;
    let directory = &running.directory;
    let (one, two) = (CatalogueSample::new(1), CatalogueSample::new(2));
    for sample in [&one, &two] {
        directory.put_customer(&sample.customer, AuditOrigin::SYSTEM).await.unwrap();
    }
    let revision =
        |sample: &CatalogueSample| directory.customer(sample.customer.id).unwrap().state().revision;
    let (before_one, before_two) = (revision(&one), revision(&two));
    directory.put_subscription(&one.subscription, AuditOrigin::SYSTEM).await.unwrap();
    assert!(revision(&one) > before_one);
    assert_eq!(revision(&two), before_two);
}

#[tokio::test]
async fn an_activated_subscription_was_known_before_it_counts_and_counts_before_the_answer() {
    let running = running().await;
    let directory = &running.directory;
    let sample = CatalogueSample::new(1);
    directory.put_customer(&sample.customer, AuditOrigin::SYSTEM).await.unwrap();
    let all: Vec<_> = (0..200u64)
        .map(|n| {
            let directory = Arc::clone(directory);
            let wanted = Subscription { id: SubscriptionId::new(n), ..sample.subscription.clone() };
            tokio::spawn(async move {
                let active = directory.activate(wanted, AuditOrigin::SYSTEM).await.unwrap();
                assert!(sluice_model::clock::now_ms() >= active.effective_at_ms);
                let state = directory.customer(active.customer).unwrap().state();
                assert_eq!(state.subscription(active.id).unwrap().as_ref(), &active);
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test]
async fn refresh_fails_once_nobody_refreshes() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let (directory, refresher) =
        Directory::load(Arc::new(catalogue), DirectorySettings::default()).await.unwrap();
    drop(refresher);
    let refused = directory.put_customer(&CatalogueSample::new(1).customer, AuditOrigin::SYSTEM).await;
    assert!(matches!(refused, Err(CatalogueError::Port(PortError::Closed { .. }))));
}

#[tokio::test]
async fn age_is_counted_from_before_the_question() {
    let running = running().await;
    running.directory.fresh(Duration::from_millis(15)).await.unwrap();
    assert!(running.directory.age() < Duration::from_millis(500));
    running.catalogue.close().await.unwrap();
    assert!(running.directory.refresh().await.is_err());
    let age = running.directory.age();
    assert!(running.directory.fresh(age / 2).await.is_err());
}
