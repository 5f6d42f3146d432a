//! One sender's loop: when a request is due, build it, send it, count it. With
//! HTTP/1.1 a sender has a connection, with HTTP/2 one stream of it at a time.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::client::{Client, ExchangeError, Http2Connection};
use super::keys::KeyPicker;
use super::outcome::Outcome;
use super::tally::{Done, Happening};
use super::worker::{Plan, Shared};
use super::{Protocol, RunError};
use crate::ledger::{Code, Entry};
use crate::random::Random;
use crate::request::{Rendered, RequestBuffer, RequestStamp};

const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(10);
const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);
/// Before the next request of a closed loop, when the server is overloaded or
/// failing: sending on at once would only measure how fast it says no.
const UNHAPPY_PAUSE: Duration = Duration::from_millis(10);

/// One sender of a worker and the streams of events it sends, one a customer.
#[derive(Debug)]
pub(super) struct Connection {
    number: usize,
    shared: Rc<Shared>,
    request: RequestBuffer,
    client: Client,
    keys: KeyPicker,
    /// The next sequence number of each stream.
    sequences: Vec<u64>,
    /// Decides which requests are bad or repeated.
    dice: Random,
    bad_sent: usize,
}

/// The end of one request's sending.
struct Ending {
    sent: Instant,
    outcome: Outcome,
    /// Whether the server asked for less, or fails.
    unhappy: bool,
    /// Of the answer's body, where there is one.
    body_sum: Option<u32>,
}

impl Connection {
    /// The senders of a connection; `connection` counts those of all workers.
    pub(super) fn all_on(connection: usize, shared: &Rc<Shared>) -> Result<Vec<Self>, RunError> {
        let Plan { config, target, .. } = &*shared.plan;
        let streams = config.protocol.streams();
        let http2 = match config.protocol {
            Protocol::Http1 => None,
            Protocol::Http2 { .. } => {
                Some(Rc::new(Http2Connection::new(target.address(), target.authority())))
            }
        };
        let client = || match &http2 {
            Some(connection) => Client::on(Rc::clone(connection), config.timeout),
            None => Client::new(target.address(), config.timeout),
        };
        (0..streams).map(|nth| Self::new(connection * streams + nth, client(), Rc::clone(shared))).collect()
    }

    /// `number` counts the senders of all workers.
    fn new(number: usize, client: Client, shared: Rc<Shared>) -> Result<Self, RunError> {
        let Plan { config, shape, run_id, .. } = &*shared.plan;
        let seed = config.seed.wrapping_mul(1 << 20).wrapping_add(number as u64);
        let customers = config.keys.len();
        Ok(Self {
            number,
            request: RequestBuffer::new(shape.clone(), *run_id, seed)?,
            client,
            keys: KeyPicker::new(config.key_choice, customers, number, !seed),
            sequences: vec![0; customers.max(1)],
            dice: Random::new(seed ^ 0xd1ce),
            bad_sent: 0,
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
        let shared = Rc::clone(&self.shared);
        let Plan { config, run_id, .. } = &*shared.plan;
        let customer = self.keys.pick();
        let stamp = RequestStamp {
            key: config.keys.get(customer).map(String::as_str),
            stream: (self.number * self.sequences.len() + customer) as u32,
            first_sequence: self.sequences[customer],
            sent_ns: unix_ns(due),
        };
        if config.bad_share > 0.0 && self.dice.unit() < config.bad_share {
            return self.send_bad(&stamp).await;
        }
        let request = self.request.render(&stamp);
        let Some(ending) = send(&self.shared, &mut self.client, &request).await else {
            // Never written: the run ended first, and the numbers stay unused.
            return true;
        };
        self.shared.tally.borrow_mut().done(&Done {
            due,
            sent: ending.sent,
            answered: Instant::now(),
            outcome: ending.outcome,
            batch: config.batch,
            request_bytes: request.bytes.len(),
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
        let repeats = config.repeat_share > 0.0 && self.dice.unit() < config.repeat_share;
        if repeats && ending.outcome.code() == Code::Acknowledged {
            // The same buffer still holds the same bytes.
            let again = send(&self.shared, &mut self.client, &request).await;
            self.shared.tally.borrow_mut().repeated(again.map(|again| {
                matches!(again.outcome, Outcome::Acknowledged(_)) && again.body_sum == ending.body_sum
            }));
        }
        ending.unhappy
    }

    /// Sends a request that must be refused. It has no events and no place in
    /// a ledger.
    async fn send_bad(&mut self, stamp: &RequestStamp<'_>) -> bool {
        let request = self.request.render_bad(stamp, self.bad_sent);
        self.bad_sent += 1;
        let ending = send(&self.shared, &mut self.client, &request).await;
        let taken = ending.as_ref().map(|ending| ending.outcome);
        self.shared.tally.borrow_mut().sent_bad(taken);
        ending.is_none_or(|ending| ending.unhappy)
    }
}

/// Sends `request` until its outcome is known, or once if unknown outcomes are
/// not retried. `None` if the run ended before it could be written at all.
async fn send(shared: &Shared, client: &mut Client, request: &Rendered<'_>) -> Option<Ending> {
    let config = &shared.plan.config;
    let mut unknown = None;
    loop {
        if !connect(shared, client).await {
            return unknown;
        }
        let sent = Instant::now();
        let (outcome, unhappy, body_sum) = match client.exchange(request, sent).await {
            Ok(answer) => {
                shared.tally.borrow_mut().answered(answer.status, answer.body);
                let outcome = Outcome::of_answer(answer.status, answer.body, config.batch);
                let body_sum = (config.repeat_share > 0.0).then(|| crc32c::crc32c(answer.body));
                (outcome, answer.status == 429 || answer.status >= 500, body_sum)
            }
            Err(error) => {
                let happening = match error {
                    ExchangeError::TimedOut(_) => Happening::TimedOut,
                    _ => Happening::Lost,
                };
                shared.tally.borrow_mut().failed(happening, &error);
                (Outcome::Unknown, true, None)
            }
        };
        let ending = Ending { sent, outcome, unhappy, body_sum };
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
            Ok(true) => shared.tally.borrow_mut().happened(Happening::Connected),
            Ok(false) => {}
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
