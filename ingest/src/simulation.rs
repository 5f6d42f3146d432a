//! The ingest role without its sockets, for simulations: requests go straight to the
//! producer, and get the outcome that the routes would turn into an answer.

use crate::appenders::Appenders;
use crate::config::IngestConfig;
use crate::decode::BodyForm;
use crate::inbox::{EventFilter, PageBudget, PageQuery, StatusFilter, read_as};
use crate::ingest::producer_settings;
use crate::produce::{ProduceError, Producer, Wishes};
use bytes::Bytes;
use sluice_catalogue::directory::Directory;
use sluice_catalogue::rates::LocalRates;
use sluice_model::ids::ID_TEXT_LEN;
use sluice_model::wire::envelope;
use sluice_model::{CustomerId, EventId};
use sluice_ports::event_store::Direction;
use sluice_ports::{EventStore, Idempotency, Log, PortError};
use std::sync::Arc;

/// Reads a customer's inbox as an ingest process does.
pub struct SimulatedInbox {
    store: Arc<dyn EventStore>,
    directory: Arc<Directory>,
    lanes: u16,
}

/// A page of an inbox.
#[derive(Debug)]
pub struct SimulatedPage {
    /// The events, in the page's order.
    pub events: Vec<EventId>,
    /// The positions in the page's cursor.
    pub cursor: Vec<EventId>,
}

impl SimulatedInbox {
    /// An inbox of a deployment with this many lanes.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, directory: Arc<Directory>, lanes: u16) -> Self {
        Self { store, directory, lanes }
    }

    /// The page behind a cursor, of at most `limit` events.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn page(
        &self,
        customer: CustomerId,
        cursor: Vec<EventId>,
        limit: usize,
    ) -> Result<SimulatedPage, PortError> {
        let Some(entry) = self.directory.customer(customer) else {
            return Ok(SimulatedPage { events: Vec::new(), cursor });
        };
        let filter = EventFilter { status: StatusFilter::Any, ..EventFilter::default() };
        let query = PageQuery {
            customer,
            lanes: entry.state().customer.lanes_ever(self.lanes).collect(),
            positions: cursor,
            horizons: self.store.horizons().await?,
            not_before_ms: 0,
            direction: Direction::Ascending,
            filter: &filter,
            budget: PageBudget::for_page(limit),
        };
        let mut events = Vec::new();
        let page = read_as(&*self.store, query, |found, _| events.extend(event_id(found.envelope))).await?;
        Ok(SimulatedPage { events, cursor: page.positions })
    }
}

/// The id that an envelope begins with.
fn event_id(envelope: &[u8]) -> Option<EventId> {
    let text = envelope.get(envelope::ID_OFFSET..envelope::ID_OFFSET + ID_TEXT_LEN)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The outcome of a request.
#[derive(Debug)]
pub enum Answered {
    /// 202 with this body.
    Accepted {
        /// JSON.
        body: Bytes,
        /// Whether this repeats the answer to an earlier request.
        replayed: bool,
    },
    /// No event was accepted: 429, 503, or 409 while the same request is in flight.
    NotTaken(String),
    /// Some of the events may have been accepted.
    Unknown(String),
    /// 4xx: the request can never be accepted.
    Refused(String),
}

/// Accepts events as an ingest process does. Dropping it is a crash: nothing more is appended.
pub struct SimulatedIngest {
    producer: Producer,
    directory: Arc<Directory>,
    _appenders: Appenders,
}

impl SimulatedIngest {
    /// Starts the appenders.
    #[must_use]
    pub fn open(
        log: Arc<dyn Log>,
        idempotency: Arc<dyn Idempotency>,
        directory: Arc<Directory>,
        config: &IngestConfig,
        lanes: u16,
    ) -> Self {
        let rates = Arc::new(LocalRates::new(Arc::clone(&directory)));
        let producer = Producer::new(log, idempotency, rates, producer_settings(config, lanes));
        let appenders = Appenders::start(producer.lanes());
        Self { producer, directory, _appenders: appenders }
    }

    /// Accepts a customer's request.
    pub async fn produce(&self, customer: CustomerId, key: Option<&str>, body: &[u8]) -> Answered {
        let Some(customer) = self.directory.customer(customer) else {
            return Answered::Refused("no such customer".into());
        };
        let form = BodyForm::Json;
        let wishes = Wishes { form, idempotency_key: key, minimal: false, refusals: &[], trace: None };
        match self.producer.produce(&customer, wishes, body).await {
            Ok(answer) => Answered::Accepted { body: answer.body, replayed: answer.replayed },
            Err(ProduceError::Unknown { detail }) => Answered::Unknown(detail.to_string()),
            Err(
                error @ (ProduceError::Full(_)
                | ProduceError::RateLimited(_)
                | ProduceError::InFlight
                | ProduceError::NotTaken { .. }
                | ProduceError::Port(_)),
            ) => Answered::NotTaken(format!("{error:?}")),
            Err(
                error @ (ProduceError::Body(_)
                | ProduceError::Event(_)
                | ProduceError::AllRejected(_)
                | ProduceError::BadKey
                | ProduceError::KeyMismatch),
            ) => Answered::Refused(format!("{error:?}")),
        }
    }

    /// Bytes of events that wait or are being appended; the configuration bounds them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.producer.lanes().bytes()
    }
}
