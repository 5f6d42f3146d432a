use super::*;
use crate::appenders::Appenders;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EngineConfig};
use sluice_model::{Customer, CustomerId, CustomerStatus, Lane};
use sluice_ports::Catalogue;
use sluice_ports::log::{AppendError, LogPage, Position, RecordDraft, ShardId};

/// A log whose next append ends as the script says.
struct ScriptedLog {
    next: Mutex<Option<AppendError>>,
}

#[async_trait]
impl Log for ScriptedLog {
    fn append_units(&self) -> usize {
        1
    }
    fn append_unit(&self, _: Lane) -> usize {
        0
    }
    async fn append(&self, _: usize, _: RecordDraft) -> Result<(), AppendError> {
        self.next.lock().take().map_or(Ok(()), Err)
    }
    fn accepting(&self) -> Result<(), AppendError> {
        Ok(())
    }
    fn recovered_ms(&self) -> u64 {
        0
    }
    async fn shards(&self) -> Result<Vec<ShardId>, PortError> {
        Ok(Vec::new())
    }
    async fn lanes(&self, _: &ShardId) -> Result<Vec<Lane>, PortError> {
        Ok(Vec::new())
    }
    async fn read(&self, _: &ShardId, _: Position, _: usize, _: Duration) -> Result<LogPage, PortError> {
        Ok(LogPage::default())
    }
}

const SETTINGS: ProducerSettings = ProducerSettings {
    events: EventLimits { event_bytes_max: 10_000, request_events_max: 100 },
    lanes: LaneLimits { bytes_max: 1 << 20, customer_bytes_max: 1 << 20, record_bytes_max: 1 << 20 },
    lane_count: 8,
    append_timeout: Duration::from_secs(10),
};

/// The results of a keyed request whose append ends so, and of the same request again.
async fn twice(first_append: AppendError) -> [Result<Answer, ProduceError>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let engine = EmbeddedEngine::open(folder.path(), EngineConfig::default().settings()).await.unwrap();
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let customer = Customer {
        id: CustomerId::new(1),
        name: "Acme".to_owned(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: 1000,
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: 1,
        updated_at_ms: 1,
    };
    catalogue.put_customer(&customer).await.unwrap();
    let loaded = Directory::load(Arc::new(catalogue), DirectorySettings::default()).await;
    let directory = loaded.unwrap().0;
    let customer = directory.customer(customer.id).unwrap();

    let log = Arc::new(ScriptedLog { next: Mutex::new(Some(first_append)) });
    let rates = Arc::new(LocalRates::new(directory));
    let producer = Producer::new(log, engine.idempotency.clone(), rates, SETTINGS);
    let appenders = Appenders::start(producer.lanes());
    let (form, refusals, trace) = (BodyForm::Json, &[][..], None);
    let wishes = Wishes { form, idempotency_key: Some("k"), minimal: false, refusals, trace };
    let produce = || producer.produce(&customer, wishes, br#"{"payload":1}"#);
    let answers = [produce().await, produce().await];
    appenders.stop().await;
    engine.close().await;
    answers
}

#[tokio::test]
async fn a_key_whose_events_may_be_stored_stays_taken() {
    let [first, again] = twice(AppendError::Unknown { detail: "perhaps".into() }).await;
    assert!(matches!(first, Err(ProduceError::Unknown { .. })), "{first:?}");
    assert!(matches!(again, Err(ProduceError::InFlight)), "{again:?}");
}

#[tokio::test]
async fn a_key_whose_events_were_not_taken_is_free_again() {
    let refusal = AppendError::NotTaken { detail: "full".into(), retry_after: Duration::from_secs(1) };
    let [first, again] = twice(refusal).await;
    assert!(matches!(first, Err(ProduceError::NotTaken { .. })), "{first:?}");
    assert!(again.is_ok_and(|answer| !answer.replayed && answer.accepted == 1));
}
