//! A whole processor on ports in memory.

use super::{RecordingStores, batch, batch_id, customer, subscription};
use crate::config::ProcessorConfig;
use crate::processor::{Processor, ProcessorPorts};
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_history::attempts::AttemptHistory;
use sluice_model::clock::now_ms;
use sluice_model::{AttemptRecord, BatchId, CustomerId, EventSet, Subscription, SubscriptionId};
use sluice_ports::{Leases, PortError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A processor under test, with the ports that it uses.
pub(crate) struct Rig {
    pub(crate) memory: RecordingStores,
    pub(crate) directory: Arc<Directory>,
    config: ProcessorConfig,
    refreshing: CancellationToken,
    running: Option<(Processor, CancellationToken, JoinHandle<Result<(), PortError>>)>,
    batches: u64,
    events: u64,
}

/// A configuration for tests: loopback is allowed, and all times are short.
pub(crate) fn quick() -> ProcessorConfig {
    let mut config = ProcessorConfig::default();
    config.guard.allow_private = true;
    config.breaker.open_ms = 20;
    config.breaker.open_max_ms = 50;
    config.shard.commit_linger_ms = 1;
    config.shard.checkpoint_interval_ms = 1;
    config.queue.poll_ms = 10;
    config.shutdown.grace_ms = 200;
    config
}

/// Subscription `n` to all events, cut at `max_events`, retried at once.
pub(crate) fn to(url: String, n: u128, max_events: u32) -> Subscription {
    let mut subscription = subscription(n);
    subscription.webhook_url = url;
    subscription.batch.max_events = max_events;
    subscription.batch.max_wait_ms = 1;
    subscription.retry.max_delay_s = 0;
    subscription
}

impl Rig {
    pub(crate) async fn new(config: ProcessorConfig, subscriptions: Vec<Subscription>) -> Self {
        let memory = RecordingStores::default();
        memory.set_customer(customer());
        subscriptions.into_iter().for_each(|subscription| memory.set_subscription(subscription));
        let settings = DirectorySettings { poll: Duration::from_millis(20) };
        let (directory, refresher) = Directory::load(memory.stores().catalogue, settings).await.unwrap();
        let refreshing = CancellationToken::new();
        tokio::spawn(refresher.run(refreshing.clone()));
        Self { memory, directory, config, refreshing, running: None, batches: 0, events: 0 }
    }

    /// [`Self::new`] and [`Self::start`] with one subscription.
    pub(crate) async fn started(config: ProcessorConfig, subscriptions: Vec<Subscription>) -> Self {
        let mut rig = Self::new(config, subscriptions).await;
        rig.start();
        rig
    }

    pub(crate) fn start(&mut self) {
        self.start_with(None);
    }

    /// Starts with the granted shards, or with all.
    pub(crate) fn start_with(&mut self, leases: Option<Box<dyn Leases>>) {
        let stores = self.memory.stores();
        let ports = ProcessorPorts {
            log: Arc::clone(&self.memory.0) as _,
            events: stores.events,
            checkpoints: stores.checkpoints,
            queue: stores.queue,
            catalogue: stores.catalogue,
            directory: Arc::clone(&self.directory),
            rows: Arc::clone(&self.memory.0) as _,
            lanes: 16,
            instance: 0,
        };
        let processor = Processor::new(ports, self.config.clone()).unwrap();
        let (stop, running) = (CancellationToken::new(), processor.clone());
        let task = tokio::spawn({
            let stop = stop.clone();
            async move {
                match leases {
                    Some(leases) => {
                        running.run_leased(&*leases, stop).await;
                        Ok(())
                    }
                    None => running.run(stop).await,
                }
            }
        });
        self.running = Some((processor, stop, task));
    }

    pub(crate) fn processor(&self) -> &Processor {
        &self.running.as_ref().unwrap().0
    }

    /// The attempts of a subscription in the stored history, the newest first.
    pub(crate) async fn attempts(&self, id: SubscriptionId) -> Vec<AttemptRecord> {
        let history = AttemptHistory::new(Arc::clone(&self.memory.0) as _, 0);
        history.recent(id, usize::MAX).await.unwrap()
    }

    /// Ends the processor gracefully.
    pub(crate) async fn stop(&mut self) {
        let (_, stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    /// Kills the processor, so that nothing of it is heard again.
    pub(crate) async fn kill(&mut self) {
        let (_, _, task) = self.running.take().unwrap();
        task.abort();
        drop(task.await);
        self.memory.forget_taken();
    }

    /// Appends a record with one batch of `events` events of customer 1, whose envelopes count up in
    /// `n`.
    pub(crate) fn append(&mut self, events: u64) -> BatchId {
        self.append_for(CustomerId::from_u128(1), events)
    }

    /// [`Self::append`] for any customer.
    pub(crate) fn append_for(&mut self, customer: CustomerId, events: u64) -> BatchId {
        self.batches += 1;
        let id = batch_id(now_ms(), self.batches);
        let first = self.events;
        self.events += events;
        let envelopes: Vec<_> = (0..events)
            .map(|index| {
                let (event, n) = (id.event(index as u16), first + index);
                ("a.b", format!(r#"{{"event_id":"{event}","payload":{{}},"n":{n}}}"#))
            })
            .collect();
        self.memory.append(vec![Arc::new(batch(customer, id, &envelopes))]);
        id
    }

    /// Appends a record with one event of each of these ordering keys, whose envelopes count up in
    /// `n`.
    pub(crate) fn append_keys(&mut self, keys: &[u64]) {
        self.batches += 1;
        let id = batch_id(now_ms(), self.batches);
        let first = self.events;
        self.events += keys.len() as u64;
        let envelopes: Vec<_> = (first..self.events)
            .map(|n| {
                (
                    "a.b",
                    format!(r#"{{"event_id":"{}","payload":{{}},"n":{n}}}"#, id.event((n - first) as u16)),
                )
            })
            .collect();
        let mut batch = batch(CustomerId::from_u128(1), id, &envelopes);
        batch.events.iter_mut().zip(keys).for_each(|(event, key)| event.ordering = *key);
        self.memory.append(vec![Arc::new(batch)]);
    }

    /// Waits until everything that was appended is settled.
    pub(crate) async fn settled(&self) {
        let end = self.memory.end();
        self.memory.until(|memory| memory.checkpointed() == end).await;
    }

    /// Waits until subscription `n` took these events of a batch.
    pub(crate) async fn took(&self, batch: BatchId, n: u128, events: &EventSet) {
        let id = SubscriptionId::from_u128(n);
        self.memory.until(|memory| memory.fact(batch, id).took == *events).await;
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.refreshing.cancel();
        if let Some((_, stop, _)) = &self.running {
            stop.cancel();
        }
    }
}
