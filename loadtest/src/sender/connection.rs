//! One connection's loop: when a request is due, build it, send it, count it.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::RunError;
use super::client::{Client, ExchangeError};
use super::keys::KeyPicker;
use super::outcome::Outcome;
use super::tally::{Done, Happening};
use super::worker::{Plan, Shared};
use crate::ledger::Entry;
use crate::request::{RequestBuffer, RequestStamp};

const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(10);
const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Before the next request of a closed loop, when the server is overloaded or
/// failing: sending on at once would only measure how fast it says no.
const UNHAPPY_PAUSE: Duration = Duration::from_millis(10);

/// One connection of a worker and the streams it sends, one a customer.
#[derive(Debug)]
pub(super) struct Connection {
    number: usize,
    shared: Rc<Shared>,
    request: RequestBuffer,
    client: Client,
    keys: KeyPicker,
    /// The next sequence number of each stream.
    sequences: Vec<u64>,
}

/// The end of one request's sending.
struct Ending {
    sent: Instant,
    outcome: Outcome,
    /// Whether the server asked for less, or fails.
    unhappy: bool,
}

impl Connection {
    /// `number` counts the connections of all workers.
    pub(super) fn new(number: usize, shared: Rc<Shared>) -> Result<Self, RunError> {
        let Plan { config, shape, target, run_id, .. } = &*shared.plan;
        let seed = config.seed.wrapping_mul(1 << 20).wrapping_add(number as u64);
        let customers = config.keys.len();
        Ok(Self {
            number,
            request: RequestBuffer::new(shape.clone(), *run_id, seed)?,
            client: Client::new(target.address(), config.timeout),
            keys: KeyPicker::new(config.key_choice, customers, number, !seed),
            sequences: vec![0; customers.max(1)],
            shared,
        })
    }

    /// Sends until the run stops.
    pub(super) async fn run(mut self) {
        let shared = Rc::clone(&self.shared);
        while let Some(due) = shared.pace.next().await {
            let unhappy = self.send_next(due).await;
            if unhappy && !shared.pace.is_open_loop() {
                shared.pace.pause(UNHAPPY_PAUSE).await;
            }
        }
    }

    /// Sends the request that was due at `due`; whether it went badly.
    async fn send_next(&mut self, due: Instant) -> bool {
        let Plan { config, run_id, .. } = &*self.shared.plan;
        let customer = self.keys.pick();
        let stamp = RequestStamp {
            key: config.keys.get(customer).map(String::as_str),
            stream: (self.number * self.sequences.len() + customer) as u32,
            first_sequence: self.sequences[customer],
            sent_ns: unix_ns(due),
        };
        let bytes = self.request.render(&stamp);
        let Some(ending) = send(&self.shared, &mut self.client, bytes).await else {
            // Never written: the run ended first, and the numbers stay unused.
            return true;
        };
        self.shared.tally.borrow_mut().done(&Done {
            due,
            sent: ending.sent,
            answered: Instant::now(),
            outcome: ending.outcome,
            batch: config.batch,
            request_bytes: bytes.len(),
        });
        let entry = Entry {
            run: *run_id,
            group: 0,
            stream: stamp.stream,
            first: stamp.first_sequence,
            count: config.batch as u32,
            code: ending.outcome.code(),
        };
        self.shared.note(self.number, entry);
        self.sequences[customer] += config.batch as u64;
        ending.unhappy
    }
}

/// Sends `request` until its outcome is known, or once if unknown outcomes are
/// not retried. `None` if the run ended before it could be written at all.
async fn send(shared: &Shared, client: &mut Client, request: &[u8]) -> Option<Ending> {
    let config = &shared.plan.config;
    let mut unknown = None;
    loop {
        if !connect(shared, client).await {
            return unknown;
        }
        let sent = Instant::now();
        let (outcome, unhappy) = match client.exchange(request, sent).await {
            Ok(answer) => {
                shared.tally.borrow_mut().answered(answer.status, answer.body);
                let outcome = Outcome::of_answer(answer.status, answer.body, config.batch);
                (outcome, answer.status == 429 || answer.status >= 500)
            }
            Err(error) => {
                let happening = match error {
                    ExchangeError::TimedOut(_) => Happening::TimedOut,
                    _ => Happening::Lost,
                };
                shared.tally.borrow_mut().failed(happening, &error);
                (Outcome::Unknown, true)
            }
        };
        let ending = Ending { sent, outcome, unhappy };
        if outcome != Outcome::Unknown || !config.retry_unknown || shared.pace.pause(UNHAPPY_PAUSE).await {
            return Some(ending);
        }
        shared.tally.borrow_mut().happened(Happening::Retried);
        unknown = Some(ending);
    }
}

/// Connects if need be, as often as it takes; false if the run ended first.
async fn connect(shared: &Shared, client: &mut Client) -> bool {
    let mut pause = CONNECT_PAUSE_FIRST;
    while !client.is_connected() {
        match client.connect().await {
            Ok(()) => shared.tally.borrow_mut().happened(Happening::Connected),
            Err(error) => {
                shared.tally.borrow_mut().failed(Happening::ConnectFailed, &error);
                if shared.pace.pause(pause).await {
                    return false;
                }
                pause = (pause * 2).min(CONNECT_PAUSE_MAX);
            }
        }
        if shared.pace.is_stopping() && !client.is_connected() {
            return false;
        }
    }
    true
}

/// Unix time of an instant just past, in ns.
fn unix_ns(instant: Instant) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(instant.elapsed()).as_nanos() as u64
}
