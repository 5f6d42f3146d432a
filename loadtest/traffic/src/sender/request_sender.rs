//! One sender's loop: when a request is due, build it, send it, count it. With HTTP/1.1
//! a sender has a connection of its own, with HTTP/2 one stream of a shared connection.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{ExchangeError, Http2Connection, LoadClient};
use super::config::RequestProtocol;
use super::error::RunError;
use super::keys::KeyPicker;
use super::outcome::RequestOutcome;
use super::plan::RunPlan;
use super::shared::WorkerShared;
use super::tally::{ConnectionEvent, RequestDone};
use crate::ledger::{Code, LedgerEntry};
use crate::random::SeededRandom;
use crate::request::{Rendered, RequestBuffer, RequestContent, RequestStamp};

const CONNECT_PAUSE_FIRST: Duration = Duration::from_millis(10);
const CONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);
/// The pause before the next request of a closed loop while the server is overloaded or
/// failing: without it, the run would only measure how fast the server refuses.
const UNHAPPY_PAUSE: Duration = Duration::from_millis(10);

/// One sender of a worker, with a stream of events for each customer.
#[derive(Debug)]
pub(super) struct RequestSender {
    number: usize,
    shared: Rc<WorkerShared>,
    request: RequestBuffer,
    client: LoadClient,
    keys: KeyPicker,
    /// The next sequence number of each stream.
    sequences: Vec<u64>,
    /// Decides which requests are bad or repeated.
    dice: SeededRandom,
    bad_sent: usize,
}

/// The end of one request's sending.
struct SendEnding {
    /// When it was (last) written; `None` if it never was.
    sent: Option<Instant>,
    outcome: RequestOutcome,
    status: Option<u16>,
    /// Checksum of the answer's body, where it is compared with another.
    body_sum: Option<u32>,
}

impl SendEnding {
    fn without_answer(sent: Option<Instant>) -> Self {
        Self { sent, outcome: RequestOutcome::Unanswered, status: None, body_sum: None }
    }

    /// Returns true if the server asked for a lower rate, or fails.
    fn is_unhappy(&self) -> bool {
        self.outcome.is_uncertain() || self.status == Some(429)
    }
}

impl RequestSender {
    /// The senders of a connection; `connection` counts those of all workers.
    pub(super) fn all_on(connection: usize, shared: &Rc<WorkerShared>) -> Result<Vec<Self>, RunError> {
        let RunPlan { config, target, .. } = &*shared.plan;
        let streams = config.protocol.streams();
        let http2 = match config.protocol {
            RequestProtocol::Http1 => None,
            RequestProtocol::Http2 { .. } => {
                Some(Rc::new(Http2Connection::new(Arc::clone(target), connection)))
            }
        };
        let client = || match &http2 {
            Some(shared) => LoadClient::on(Rc::clone(shared), config.timeout),
            None => LoadClient::new(Arc::clone(target), connection, config.timeout),
        };
        (0..streams).map(|nth| Self::new(connection * streams + nth, client(), Rc::clone(shared))).collect()
    }

    /// `number` counts the senders of all workers.
    fn new(number: usize, client: LoadClient, shared: Rc<WorkerShared>) -> Result<Self, RunError> {
        let RunPlan { config, shape, run_id, .. } = &*shared.plan;
        let seed = config.seed.wrapping_mul(1 << 20).wrapping_add(number as u64);
        let customers = config.keys.len();
        Ok(Self {
            number,
            request: RequestBuffer::new(shape.clone(), *run_id, seed)?,
            client,
            keys: KeyPicker::new(config.key_choice, customers, number, !seed),
            sequences: vec![0; customers.max(1)],
            dice: SeededRandom::new(seed ^ 0xd1ce),
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

    /// Sends the request that was due at `due`; returns true if it went badly.
    async fn send_next(&mut self, due: Instant) -> bool {
        let shared = Rc::clone(&self.shared);
        let RunPlan { config, shape, run_id, .. } = &*shared.plan;
        let (customer, batch) = (self.keys.pick(), shape.batch());
        let stamp = RequestStamp {
            key: config.keys.get(customer).map(String::as_str),
            stream: (self.number * self.sequences.len() + customer) as u32,
            first_sequence: self.sequences[customer],
            sent_ns: crate::unix_ns(due),
        };
        if config.bad_share > 0.0 && self.dice.unit() < config.bad_share {
            return self.send_bad(&stamp).await;
        }
        let request = self.request.render(&stamp);
        let ending = send(&self.shared, &mut self.client, &request).await;
        let done = RequestDone {
            due,
            sent: ending.sent,
            ended: Instant::now(),
            outcome: ending.outcome,
            status: ending.status,
            batch,
            request_bytes: request.bytes.len(),
        };
        self.shared.done(&done, self.number, customer);
        if ending.sent.is_none() {
            // Never written: its sequence numbers stay unused.
            return true;
        }
        let entry = LedgerEntry {
            run: *run_id,
            group: 0,
            stream: stamp.stream,
            first: stamp.first_sequence,
            count: batch as u32,
            code: ending.outcome.code(),
        };
        self.shared.note(self.number, entry);
        self.sequences[customer] += batch as u64;
        let repeats = config.repeat_share > 0.0 && self.dice.unit() < config.repeat_share;
        if repeats && ending.outcome.code() == Code::Acknowledged {
            // The same buffer still holds the same bytes.
            let again = send(&self.shared, &mut self.client, &request).await;
            if again.sent.is_some() {
                let same = matches!(again.outcome, RequestOutcome::Acknowledged(_))
                    && again.body_sum == ending.body_sum;
                self.shared.tally.borrow_mut().repeated(same);
            }
        }
        ending.is_unhappy()
    }

    /// Sends a request that must be refused. It has no events and no place in
    /// a ledger.
    async fn send_bad(&mut self, stamp: &RequestStamp<'_>) -> bool {
        let request = self.request.render_bad(stamp, self.bad_sent);
        self.bad_sent += 1;
        let ending = send(&self.shared, &mut self.client, &request).await;
        if ending.sent.is_some() {
            self.shared.tally.borrow_mut().sent_bad(ending.outcome);
        }
        ending.is_unhappy()
    }
}

/// Sends `request` until its outcome is known, or once if unknown outcomes are
/// not retried.
async fn send(shared: &WorkerShared, client: &mut LoadClient, request: &Rendered<'_>) -> SendEnding {
    let (config, shape) = (&shared.plan.config, &shared.plan.shape);
    let mut unknown = SendEnding::without_answer(None);
    loop {
        if !connect(shared, client).await {
            return unknown;
        }
        let sent = Instant::now();
        let ending = match client.exchange(request, sent).await {
            Ok(answer) => {
                shared.tally.borrow_mut().answered(answer.status, answer.body);
                let outcome = match shape.content {
                    RequestContent::Events { batch, .. } => {
                        RequestOutcome::of_answer(answer.status, answer.body, batch)
                    }
                    RequestContent::Plain(_) => RequestOutcome::of_plain_answer(answer.status),
                };
                let body_sum = (config.repeat_share > 0.0).then(|| crc32c::crc32c(answer.body));
                SendEnding { sent: Some(sent), outcome, status: Some(answer.status), body_sum }
            }
            Err(ExchangeError::Stale) if shape.may_repeat() => {
                shared.tally.borrow_mut().happened(ConnectionEvent::ClosedIdle);
                continue;
            }
            Err(error) => {
                let event = match error {
                    ExchangeError::TimedOut(_) => ConnectionEvent::TimedOut,
                    _ => ConnectionEvent::Lost,
                };
                shared.tally.borrow_mut().failed(event, &error);
                SendEnding::without_answer(Some(sent))
            }
        };
        let known = !ending.outcome.is_uncertain();
        if known || !config.retry_unknown || shared.pace.pause(UNHAPPY_PAUSE).await {
            return ending;
        }
        shared.tally.borrow_mut().happened(ConnectionEvent::Retried);
        unknown = ending;
    }
}

/// Connects if needed: for as long as an answer may take, or until it succeeds if
/// outcomes must become known. Returns false if it gave up or the run ended.
async fn connect(shared: &WorkerShared, client: &mut LoadClient) -> bool {
    if client.drop_if_stale() {
        shared.tally.borrow_mut().happened(ConnectionEvent::ClosedIdle);
    }
    let (started, config) = (Instant::now(), &shared.plan.config);
    let mut pause = CONNECT_PAUSE_FIRST;
    while !client.is_connected() {
        match client.connect().await {
            Ok(true) => shared.tally.borrow_mut().happened(ConnectionEvent::Connected),
            Ok(false) => {}
            Err(error) => {
                shared.tally.borrow_mut().failed(ConnectionEvent::ConnectFailed, &error);
                let late = !config.retry_unknown && started.elapsed() + pause >= config.timeout;
                if late || shared.pace.pause(pause).await {
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
