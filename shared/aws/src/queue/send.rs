//! Sending messages, ten in a request. Messages that the queue leaves undone are sent
//! again; those that it refuses for good are returned to the caller.

use super::message::Outgoing;
use super::requests::{BATCH_MAX, Queue, REQUESTS_MAX, TRIES};
use crate::failure;
use crate::pauses::Pauses;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use sluice_ports::{FailureClass, PortError};

/// The most bytes of one batch request: SQS takes 1 MiB.
const BATCH_BYTES_MAX: usize = 900 << 10;

/// The outcomes of messages, by their places in the call.
#[derive(Debug, Default)]
pub(super) struct SendReport {
    pub(super) stored: Vec<usize>,
    /// The messages that the queue will never take, each with the reason.
    pub(super) refused: Vec<(usize, String)>,
    /// Why other messages are not stored, if there are any.
    pub(super) error: Option<PortError>,
}

impl SendReport {
    fn join(mut self, other: Self) -> Self {
        self.stored.extend(other.stored);
        self.refused.extend(other.refused);
        Self { error: self.error.or(other.error), ..self }
    }
}

/// The outcome of one request.
enum SendAnswer {
    Batch { stored: Vec<usize>, refused: Vec<(usize, String)>, why_left: String },
    RefusedForGood(String),
    Busy(String),
    Failed(PortError),
}

impl Queue {
    /// Sends messages.
    pub(super) async fn send(&self, messages: &[Outgoing]) -> SendReport {
        let sends: Vec<_> =
            batches(messages).into_iter().map(|places| self.send_batch(messages, places)).collect();
        let join = |all: SendReport, one| ready(all.join(one));
        stream::iter(sends).buffer_unordered(REQUESTS_MAX).fold(SendReport::default(), join).await
    }

    async fn send_batch(&self, messages: &[Outgoing], places: Vec<usize>) -> SendReport {
        let (mut pieces, mut report, mut pauses) =
            (vec![places], SendReport::default(), Pauses::new(TRIES - 1));
        while let Some(mut piece) = pieces.pop() {
            let why = match self.send_once(messages, &piece).await {
                SendAnswer::Batch { stored, refused, why_left } => {
                    piece.retain(|place| {
                        !stored.contains(place) && refused.iter().all(|(refused, _)| refused != place)
                    });
                    if !stored.is_empty() || !refused.is_empty() {
                        pauses.progress();
                    }
                    report.stored.extend(stored);
                    report.refused.extend(refused);
                    why_left
                }
                SendAnswer::RefusedForGood(reason) if piece.len() == 1 => {
                    report.refused.extend(piece.pop().map(|place| (place, reason)));
                    continue;
                }
                SendAnswer::RefusedForGood(_) => {
                    let half = piece.split_off(piece.len() / 2);
                    pieces.extend([half, piece]);
                    continue;
                }
                SendAnswer::Busy(why) => why,
                SendAnswer::Failed(error) => {
                    report.error = Some(error);
                    break;
                }
            };
            if piece.is_empty() {
                continue;
            }
            let count = piece.len();
            pieces.push(piece);
            if !pauses.pause().await {
                let words = format!("{count} messages were not stored: {why}");
                report.error = Some(PortError::failed(FailureClass::Busy, self.sending(), words));
                break;
            }
        }
        report
    }

    async fn send_once(&self, messages: &[Outgoing], places: &[usize]) -> SendAnswer {
        let entries = places.iter().map(|place| {
            let message = &messages[*place];
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(&message.body)
                .delay_seconds(message.delay_s)
                .message_group_id(&message.group)
                .build()
                .expect("the id and the body are set")
        });
        let request = self.client.send_message_batch().queue_url(&self.url);
        match request.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => {
                let place = |id: &str| id.parse::<usize>().ok().filter(|place| places.contains(place));
                let stored = answer.successful().iter().filter_map(|stored| place(stored.id())).collect();
                let refused = answer.failed().iter().filter(|failed| is_for_good(failed));
                let refused = refused.filter_map(|failed| Some((place(failed.id())?, reason(failed))));
                let why_left = answer.failed().iter().map(reason).collect::<Vec<_>>().join(", ");
                SendAnswer::Batch { stored, refused: refused.collect(), why_left }
            }
            Err(error) => match failure::class_of(&error) {
                FailureClass::Refused => SendAnswer::RefusedForGood(failure::describe(&error)),
                FailureClass::Busy => SendAnswer::Busy(failure::describe(&error)),
                _ => SendAnswer::Failed(failure::port_error(self.sending(), &error)),
            },
        }
    }

    fn sending(&self) -> String {
        format!("send to the queue {}", self.name)
    }
}

/// Whether the queue will never take an entry as it is.
fn is_for_good(failed: &BatchResultErrorEntry) -> bool {
    failed.sender_fault() && failure::class_of_answer(Some(failed.code()), 400) == FailureClass::Refused
}

fn reason(failed: &BatchResultErrorEntry) -> String {
    match failed.message() {
        Some(message) => format!("{message} ({})", failed.code()),
        None => failed.code().to_owned(),
    }
}

/// Groups the places of messages into requests of a size that SQS takes.
fn batches(messages: &[Outgoing]) -> Vec<Vec<usize>> {
    let (mut batches, mut bytes): (Vec<Vec<usize>>, usize) = (Vec::new(), 0);
    for (place, message) in messages.iter().enumerate() {
        let size = message.body.len();
        match batches.last_mut().filter(|last| last.len() < BATCH_MAX && bytes + size <= BATCH_BYTES_MAX) {
            Some(last) => {
                bytes += size;
                last.push(place);
            }
            None => {
                bytes = size;
                batches.push(vec![place]);
            }
        }
    }
    batches
}
