use super::*;
use crate::appenders::Appenders;
use crate::testing::acme;
use async_trait::async_trait;
use parking_lot::Mutex;
use sluice_catalogue::directory::{Directory, DirectorySettings};
use sluice_catalogue::rates::LocalRates;
use sluice_embedded::catalogue::SqliteCatalogue;
use sluice_embedded::{EmbeddedEngine, EngineConfig};
use sluice_model::Lane;
use sluice_ports::Catalogue;
use sluice_ports::log::{AppendError, LogPage, Position, RecordDraft, ShardId};

/// A log whose next append ends as the script says.
struct ScriptedLog {
    next: Mutex<NextAppend>,
}

/// How an append ends.
#[derive(Default)]
enum NextAppend {
    #[default]
    Succeeds,
    Fails(AppendError),
    NeverEnds,
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
        let next = std::mem::take(&mut *self.next.lock());
        match next {
            NextAppend::Succeeds => Ok(()),
            NextAppend::Fails(error) => Err(error),
            NextAppend::NeverEnds => std::future::pending().await,
        }
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
    checks: CheckLimits { event_checks_max: 1000, request_checks_max: 1000, misfits_max: 1 },
    lane_count: 8,
    append_timeout: Duration::from_millis(600),
};

/// The results of a keyed request whose append ends as given, and of the same request again.
async fn twice(first_append: AppendError) -> [Result<Answer, ProduceError>; 2] {
    in_turn(NextAppend::Fails(first_append), Some("k"), [r#"{"payload":1}"#; 2]).await
}

/// The results of several requests; the append of the first ends as given.
async fn in_turn<const N: usize>(
    first_append: NextAppend,
    idempotency_key: Option<&str>,
    bodies: [&str; N],
) -> [Result<Answer, ProduceError>; N] {
    let folder = tempfile::tempdir().unwrap();
    let engine = EmbeddedEngine::open(folder.path(), EngineConfig::default().settings()).await.unwrap();
    let catalogue = SqliteCatalogue::open(folder.path()).await.unwrap();
    let customer = acme();
    catalogue.put_customer(&customer).await.unwrap();
    let loaded = Directory::load(Arc::new(catalogue), DirectorySettings::default()).await;
    let directory = loaded.unwrap().0;
    let customer = directory.customer(customer.id).unwrap();

    let log = Arc::new(ScriptedLog { next: Mutex::new(first_append) });
    let rates = Arc::new(LocalRates::new(directory));
    let producer = Producer::new(log, engine.idempotency.clone(), rates, SETTINGS);
    let appenders = Appenders::start(producer.lanes());
    let (form, refusals, trace) = (BodyForm::Json, &[][..], None);
    let wishes = Wishes { form, idempotency_key, minimal: false, refusals, trace };
    let mut answers = Vec::new();
    for body in bodies {
        answers.push(producer.produce(&customer, wishes, body.as_bytes()).await);
    }
    appenders.stop().await;
    engine.close().await;
    answers.try_into().expect("an answer each")
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

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

const OWN_KEY: &str = r#"{"payload":1,"metadata":{"idempotency_key":"m"}}"#;

#[tokio::test]
async fn an_event_whose_key_is_in_flight_is_refused_alone() {
    let unknown = AppendError::Unknown { detail: "perhaps".into() };
    let alone = format!("[{OWN_KEY}]");
    let beside = format!(r#"[{OWN_KEY},{{"payload":2}},{OWN_KEY}]"#);
    let [first, again, beside] = in_turn(NextAppend::Fails(unknown), None, [&alone, &alone, &beside]).await;
    assert!(matches!(first, Err(ProduceError::Unknown { .. })), "{first:?}");
    // If it were refused as a whole with 400, its sender would give it up.
    assert!(matches!(again, Err(ProduceError::InFlight)), "{again:?}");
    let beside = beside.unwrap();
    assert_eq!((beside.accepted, beside.rejected, beside.replayed), (1, 2, false));
    let refused = r#""code":"IDEMPOTENCY_IN_FLIGHT","message":"an event with this `metadata.idempotency_key` is in flight","retry_after_s":1"#;
    assert_eq!(text(&beside).matches(refused).count(), 2, "{}", text(&beside));
}

#[tokio::test]
async fn the_key_of_an_event_that_was_not_taken_is_free_again() {
    let refusal = AppendError::NotTaken { detail: "full".into(), retry_after: Duration::from_secs(1) };
    let alone = format!("[{OWN_KEY}]");
    let [first, again, once_more] =
        in_turn(NextAppend::Fails(refusal), Some("header"), [&alone, &alone, &alone]).await;
    assert!(matches!(first, Err(ProduceError::NotTaken { .. })), "{first:?}");
    assert!(again.is_ok_and(|answer| !answer.replayed && answer.accepted == 1));
    assert!(once_more.is_ok_and(|answer| answer.replayed && answer.accepted == 1));
}

#[tokio::test]
async fn requests_give_up_a_log_that_does_not_answer() {
    // The first event is being appended; the second waits for the record after it.
    let [appended, waited] = in_turn(NextAppend::NeverEnds, None, [r#"{"payload":1}"#; 2]).await;
    for given_up in [appended, waited] {
        assert!(matches!(given_up, Err(ProduceError::Unknown { .. })), "{given_up:?}");
    }
}
