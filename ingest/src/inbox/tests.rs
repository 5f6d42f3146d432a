use super::*;
use crate::status::EventStatus;
use crate::testing::{CUSTOMER, stored_batch_at};
use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;
use sluice_model::{Batch, BatchId, DeadLetter, DeadLetterId};
use sluice_ports::event_store::{AckOutcome, DeadLetterQuery, LanePage, LaneScan, NewFact, StoredBatch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Batches in memory by their places, scanned as the port says, and the horizon of all lanes.
#[derive(Default)]
struct MemoryBatches(Mutex<BTreeMap<BatchId, StoredBatch>>, Mutex<Option<u64>>);

impl MemoryBatches {
    fn put(&self, lane: u16, ms: u64, count: u64, events: u16) {
        self.put_at(ms, lane, ms, count, events);
    }

    /// Puts a batch that readers meet at another time than its id's.
    fn put_at(&self, place_ms: u64, lane: u16, ms: u64, count: u64, events: u16) {
        let stored = stored_batch_at(lane, ms, count, events);
        let place = EventId::new(place_ms, stored.batch.lane(), count, 0).batch();
        self.0.lock().insert(place, StoredBatch { place, ..stored });
    }

    fn ids(&self) -> Vec<String> {
        let mut ids: Vec<EventId> = Vec::new();
        for stored in self.0.lock().values() {
            ids.extend((0..stored.batch.len()).map(|index| stored.batch.event_id(index)));
        }
        ids.sort();
        ids.into_iter().map(|id| id.to_string()).collect()
    }
}

#[async_trait]
impl EventStore for MemoryBatches {
    async fn scan(&self, scan: LaneScan) -> Result<LanePage, PortError> {
        let all = self.0.lock();
        let beyond = |stored: &&StoredBatch| match (scan.after, scan.direction) {
            (None, _) => true,
            (Some(after), Direction::Ascending) => stored.place_of(stored.batch.len() - 1) > after,
            (Some(after), Direction::Descending) => stored.place_of(0) < after,
        };
        let mut found: Vec<StoredBatch> = all
            .values()
            .filter(|stored| stored.batch.lane() == scan.lane && stored.batch.customer == scan.customer)
            .filter(|stored| (scan.from_ms..scan.until_ms).contains(&stored.place.ms()))
            .filter(beyond)
            .cloned()
            .collect();
        if scan.direction == Direction::Descending {
            found.reverse();
        }
        let exhausted = found.len() <= scan.max_batches;
        found.truncate(scan.max_batches);
        Ok(LanePage { batches: found, exhausted })
    }

    async fn horizons(&self) -> Result<Horizons, PortError> {
        let horizon_ms = *self.1.lock();
        Ok(horizon_ms.map_or_else(Horizons::default, |ms| Horizons::of_lanes(vec![ms; 4])))
    }

    async fn add_facts(&self, _: Vec<NewFact>) -> Result<(), PortError> {
        unreachable!("not read")
    }
    async fn get(&self, _: CustomerId, _: BatchId) -> Result<Option<StoredBatch>, PortError> {
        unreachable!("not read")
    }
    async fn batch(&self, _: CustomerId, _: BatchId) -> Result<Option<Arc<Batch>>, PortError> {
        unreachable!("not read")
    }
    async fn acknowledge(
        &self,
        _: CustomerId,
        _: Vec<EventId>,
        _: u64,
    ) -> Result<Vec<AckOutcome>, PortError> {
        unreachable!("not read")
    }
    async fn put_dead_letters(&self, _: Vec<DeadLetter>) -> Result<(), PortError> {
        unreachable!("not read")
    }
    async fn dead_letters(&self, _: CustomerId, _: DeadLetterQuery) -> Result<Vec<DeadLetter>, PortError> {
        unreachable!("not read")
    }
    async fn delete_dead_letters(&self, _: CustomerId, _: Vec<DeadLetterId>) -> Result<usize, PortError> {
        unreachable!("not read")
    }
    fn dead_letter_count(&self) -> u64 {
        0
    }
}

async fn page(
    store: &MemoryBatches,
    positions: Vec<EventId>,
    direction: Direction,
    filter: &EventFilter,
    budget: PageBudget,
) -> (Vec<String>, EventPage) {
    let lanes = (0..4).map(|lane| Lane::new(lane).unwrap()).collect();
    let (not_before_ms, horizons) = (0, store.horizons().await.unwrap());
    let query = PageQuery {
        customer: CUSTOMER,
        lanes,
        positions,
        horizons,
        not_before_ms,
        direction,
        filter,
        budget,
    };
    let page = read(store, query).await.unwrap();
    let text = format!("[{}]", String::from_utf8(page.items.clone()).unwrap());
    let items: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(items.len(), page.count);
    (items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect(), page)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    /// Pages of any size and budget show every event once, even if events arrive between
    /// them; if none arrive, they show the events in order.
    #[test]
    fn pages_miss_nothing_and_repeat_nothing(
        batches in prop::collection::vec((0u16..4, 1u64..40, 1u16..9), 1..60),
        later in prop::collection::vec((0u16..4, 1u16..5), 0..30),
        limit in 1usize..20,
        events in 1usize..40,
        descending: bool,
    ) {
        block_on(async {
            let store = MemoryBatches::default();
            for (count, (lane, ms, events)) in batches.into_iter().enumerate() {
                store.put(lane, ms, count as u64, events);
            }
            let before = store.ids();
            let direction = if descending { Direction::Descending } else { Direction::Ascending };
            let mut later = if descending { Vec::new() } else { later }.into_iter().enumerate();
            let quiet = later.len() == 0;
            let budget = PageBudget { events, ..PageBudget::for_page(limit) };
            let (mut read, mut positions) = (Vec::new(), Vec::new());
            loop {
                let (ids, page) = page(&store, positions, direction, &EventFilter::default(), budget).await;
                prop_assert!(ids.len() <= limit);
                positions = page.positions;
                read.extend(ids);
                // Ids of a lane ascend, whatever other lanes do.
                let come = later.next().map(|(n, (lane, events))| store.put(lane, 41 + n as u64 / 3, 100 + n as u64, events));
                if !page.has_more && come.is_none() {
                    break;
                }
            }
            let mut wanted = store.ids();
            if quiet {
                if descending {
                    wanted.reverse();
                }
                prop_assert_eq!(&read, &wanted);
            }
            read.sort();
            wanted.sort();
            prop_assert_eq!(&read, &wanted);
            prop_assert!(before.iter().all(|id| read.contains(id)));
            Ok(())
        })?;
    }
}

proptest! {
    /// Batches come with ids of any age, each at a place that is not before the horizon of
    /// its time: a reader that goes on from its cursor reads every event once.
    #[test]
    fn nothing_appears_behind_a_reader_that_stops_at_the_horizon(
        arrivals in prop::collection::vec((0u16..4, 0u64..30, 1u16..5, 0u64..4), 1..60),
        limit in 1usize..12,
    ) {
        block_on(async {
            let (store, filter) = (MemoryBatches::default(), EventFilter::default());
            let (mut read, mut positions, mut horizon_ms) = (Vec::new(), Vec::new(), 100);
            let budget = PageBudget::for_page(limit);
            for (count, (lane, age_ms, events, passes_ms)) in arrivals.into_iter().enumerate() {
                horizon_ms += passes_ms;
                *store.1.lock() = Some(horizon_ms);
                let id_ms = horizon_ms + 10 - age_ms;
                store.put_at(id_ms.max(horizon_ms), lane, id_ms, count as u64, events);
                let (ids, page) = page(&store, positions, Direction::Ascending, &filter, budget).await;
                prop_assert!(page.positions.iter().all(|position| position.ms() < horizon_ms));
                positions = page.positions;
                read.extend(ids);
            }
            *store.1.lock() = None;
            loop {
                let (ids, page) = page(&store, positions, Direction::Ascending, &filter, budget).await;
                positions = page.positions;
                read.extend(ids);
                if !page.has_more {
                    break;
                }
            }
            read.sort();
            prop_assert_eq!(&read, &store.ids());
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn filters_choose_by_type_source_tag_status_and_time() {
    let store = MemoryBatches::default();
    store.put(0, 1000, 1, 6);
    store.put(1, 2000, 1, 6);
    store.0.lock().values_mut().next().unwrap().acknowledged = vec![(0, 9)];
    let count = async |filter: EventFilter| {
        page(&store, Vec::new(), Direction::Ascending, &filter, PageBudget::for_page(100)).await.1.count
    };
    let text = |text: &str| Some(text.to_owned());
    let all = EventFilter::default();
    assert_eq!(count(all.clone()).await, 11);
    let only = StatusFilter::Only;
    assert_eq!(count(EventFilter { status: only(EventStatus::Acknowledged), ..all.clone() }).await, 1);
    assert_eq!(count(EventFilter { status: only(EventStatus::Delivered), ..all.clone() }).await, 0);
    assert_eq!(
        count(EventFilter { status: StatusFilter::Any, ..all.clone() }).await,
        count(all.clone()).await + 1
    );
    assert_eq!(count(EventFilter { event_type: text("t2"), ..all.clone() }).await, 4);
    assert_eq!(count(EventFilter { source: text("s1"), ..all.clone() }).await, 6);
    assert_eq!(count(EventFilter { source: text("no"), ..all.clone() }).await, 0);
    assert_eq!(count(EventFilter { tag: text("bc"), ..all.clone() }).await, 11);
    assert_eq!(count(EventFilter { tag: text("x"), ..all.clone() }).await, 0);
    assert_eq!(count(EventFilter { start_ms: Some(1001), ..all.clone() }).await, 6);
    assert_eq!(count(EventFilter { start_ms: Some(2000), ..all.clone() }).await, 6);
    assert_eq!(count(EventFilter { end_ms: Some(1000), ..all.clone() }).await, 5);
    assert_eq!(count(EventFilter { end_ms: Some(999), ..all }).await, 0);
}

#[tokio::test]
async fn a_spent_budget_gives_a_short_page_that_says_there_is_more() {
    let store = MemoryBatches::default();
    for n in 0..100 {
        store.put(0, 1000 + n, 1, 10);
    }
    let filter = EventFilter { event_type: Some("none".to_owned()), ..EventFilter::default() };
    let budget = PageBudget { events: 35, ..PageBudget::for_page(10) };
    let (ids, page) = page(&store, Vec::new(), Direction::Ascending, &filter, budget).await;
    assert!(ids.is_empty() && page.has_more);
    assert_eq!(page.positions[0].index(), 4);
    let bytes = PageBudget { bytes: 1, ..PageBudget::for_page(10) };
    let (ids, _) =
        super::tests::page(&store, Vec::new(), Direction::Ascending, &EventFilter::default(), bytes).await;
    assert_eq!(ids.len(), 1);
}
