//! A stream of a customer's events, as server-sent events (WHATWG HTML, 9.2).
//!
//! ```text
//! retry: 1000                      first of all
//!
//! id: <cursor>                     one event; the cursor says what was seen in each lane
//! data: <the inbox's item>
//!
//! : still here                     while nothing happens; with the cursor where it moved
//! ```
//!
//! A stream is a reader of the event store that never comes to an end, so a
//! slow one costs the two pages that wait for it, misses nothing, and another
//! edge (or the same one after a restart) can go on from its cursor.

use crate::connection::Connection;
use crate::cursor;
use crate::inbox::{Budget, Filter, Found, Question, read_as};
use crate::item;
use crate::streams::Place;
use bytes::Bytes;
use sluice_catalogue::directory::KeyEntry;
use sluice_model::EventId;
use sluice_ports::event_store::Direction;
use sluice_ports::{EventStore, PortError};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pages that wait for a reader.
const PAGES_WAITING: usize = 1;

/// How much is read at a time.
const PAGE: Budget = Budget { limit: 256, events: 20_000, batches: 512, bytes: 256 << 10 };

/// The last pause between two failed reads of the store.
const STORE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How streams are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How often a stream that heard of nothing looks.
    pub poll: Duration,
    /// How often a stream without events says that it is there.
    pub heartbeat: Duration,
    /// How long a reader may take nothing.
    pub stall: Duration,
}

/// Where a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At {
    /// Events with earlier ids are not of the stream.
    pub from_ms: u64,
    /// The last event seen in each lane, where there was one.
    pub positions: Vec<EventId>,
}

impl At {
    /// The cursor's text, good for this customer and filter only.
    fn seal(from_ms: u64, positions: impl Iterator<Item = EventId>, binding: &Binding) -> String {
        let mut payload = from_ms.to_be_bytes().to_vec();
        payload.extend_from_slice(&cursor::write_positions(positions));
        cursor::seal(&binding.parts(), &payload)
    }

    /// What a cursor says, if it is one of this customer and filter.
    pub(crate) fn open(text: &str, binding: &Binding) -> Option<Self> {
        let payload = cursor::open(&binding.parts(), text)?;
        let (from_ms, positions) = payload.split_first_chunk::<8>()?;
        Some(Self { from_ms: u64::from_be_bytes(*from_ms), positions: cursor::read_positions(positions)? })
    }
}

/// What a stream's cursors are good for.
#[derive(Debug)]
pub(crate) struct Binding {
    customer: [u8; 16],
    filter: Vec<u8>,
}

impl Binding {
    pub(crate) fn new(key: &KeyEntry, filter: &Filter) -> Self {
        Self { customer: key.customer().id().to_bytes(), filter: filter.binding() }
    }

    fn parts(&self) -> [&[u8]; 3] {
        [b"stream", &self.customer, &self.filter]
    }
}

/// What a stream needs.
pub(crate) struct Stream {
    pub store: Arc<dyn EventStore>,
    pub key: Arc<KeyEntry>,
    /// Lanes of the deployment.
    pub lanes: u16,
    pub filter: Filter,
    pub at: At,
    pub place: Place,
    pub pace: Pace,
    /// Cancelled when the edge drains.
    pub drain: CancellationToken,
}

/// The reading end: what hyper asks for more. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    pages: mpsc::Receiver<Bytes>,
    _task: JoinSet<()>,
    _open: OpenAnswer,
}

impl EventStream {
    /// Starts the stream. The connection counts as in use as long as it is open.
    pub(crate) fn start(stream: Stream, connection: &Arc<Connection>) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_WAITING);
        let mut task = JoinSet::new();
        task.spawn(stream.run(sender));
        Self { pages, _task: task, _open: OpenAnswer::new(connection) }
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.pages.poll_recv(cx)
    }
}

/// An answer that is still being written, as the sweep over connections sees it.
#[derive(Debug)]
struct OpenAnswer(Arc<Connection>);

impl OpenAnswer {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.open_answer();
        Self(Arc::clone(connection))
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        self.0.close_answer();
    }
}

impl Stream {
    /// Reads and sends until the reader is gone or stalls, the key is no
    /// longer good, or the edge drains.
    async fn run(mut self, pages: mpsc::Sender<Bytes>) {
        let drain = self.drain.clone();
        if !self.send(&pages, Bytes::from_static(b"retry: 1000\n\n")).await {
            return;
        }
        // Cancelling between two pages loses nothing: the reader's cursor says where it is.
        if drain.run_until_cancelled(self.pump(&pages)).await.is_none() {
            pages.try_send(Bytes::from_static(b": the server stops; come back\n\n")).ok();
        }
    }

    async fn pump(&mut self, pages: &mpsc::Sender<Bytes>) {
        let news = Arc::clone(&self.place.news);
        let (mut told_at, mut known) = (Instant::now(), self.at.positions.clone());
        let mut failures = 0;
        while self.key.is_valid() && self.key.customer().is_active() {
            // Asked for before the look, so that what comes meanwhile is heard of.
            let mut told = std::pin::pin!(news.notified());
            told.as_mut().enable();
            let (items, has_more) = match self.page().await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream cannot be read");
                    let wait = Duration::from_millis(100 << failures.min(6)).min(STORE_WAIT_MAX);
                    failures += 1;
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            failures = 0;
            if !items.is_empty() {
                (told_at, known) = (Instant::now(), self.at.positions.clone());
                if !self.send(pages, items.into()).await {
                    return;
                }
            } else if told_at.elapsed() >= self.pace.heartbeat {
                // What did not fit the filter moves the cursor all the same.
                let heartbeat = self.heartbeat(known != self.at.positions);
                (told_at, known) = (Instant::now(), self.at.positions.clone());
                if !self.send(pages, heartbeat).await {
                    return;
                }
            }
            if has_more {
                continue;
            }
            let rest = self.pace.heartbeat.saturating_sub(told_at.elapsed()).min(self.pace.poll);
            // No branch does anything before it ends.
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep(rest) => {}
                () = pages.closed() => return,
            }
        }
    }

    /// The next events, and whether there may be more at once.
    async fn page(&mut self) -> Result<(Vec<u8>, bool), PortError> {
        let customer = self.key.customer();
        let binding = Binding::new(&self.key, &self.filter);
        let from_ms = self.at.from_ms;
        let question = Question {
            customer: customer.id(),
            // Asked each time: the customer may use more lanes by now.
            lanes: customer.state().customer.lanes_ever(self.lanes).collect(),
            positions: self.at.positions.clone(),
            not_before_ms: from_ms,
            direction: Direction::Ascending,
            filter: &self.filter,
            budget: PAGE,
        };
        let mut item = Vec::new();
        let write = |found: &Found<'_>, out: &mut Vec<u8>| {
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(At::seal(from_ms, found.positions(), &binding).as_bytes());
            item.clear();
            item::write(found.envelope, &found.standing, &mut item);
            write_data(&item, out);
        };
        let page = read_as(&*self.store, question, write).await?;
        for position in page.positions {
            match self.at.positions.iter_mut().find(|of| of.lane() == position.lane()) {
                Some(of) => *of = position,
                None => self.at.positions.push(position),
            }
        }
        Ok((page.items, page.has_more))
    }

    /// A comment; with a cursor, which a client keeps without being told of an event.
    fn heartbeat(&self, moved: bool) -> Bytes {
        let mut text = ": still here\n".to_owned();
        if moved {
            let binding = Binding::new(&self.key, &self.filter);
            let cursor = At::seal(self.at.from_ms, self.at.positions.iter().copied(), &binding);
            text += &format!("id: {cursor}\n");
        }
        text.push('\n');
        text.into()
    }

    /// Says whether the reader goes on.
    async fn send(&self, pages: &mpsc::Sender<Bytes>, bytes: Bytes) -> bool {
        matches!(tokio::time::timeout(self.pace.stall, pages.send(bytes)).await, Ok(Ok(())))
    }
}

/// Data is a line each: line breaks between the tokens of an item's JSON (they
/// are nowhere else) begin the next.
fn write_data(item: &[u8], out: &mut Vec<u8>) {
    for line in item.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_several_lines_is_data_of_several_lines() {
        let mut out = Vec::new();
        write_data(b"{\"a\":\r\n 1,\n\"b\":2}", &mut out);
        assert_eq!(out, b"\ndata: {\"a\":\ndata: \ndata:  1,\ndata: \"b\":2}\n\n");
    }

    #[test]
    fn a_cursor_says_where_the_stream_was_to_its_own_customer_and_filter() {
        let binding = |customer, filter: &str| Binding { customer: [customer; 16], filter: filter.into() };
        let positions = vec![EventId::from_u128(7), EventId::from_u128(u128::MAX)];
        let text = At::seal(9, positions.iter().copied(), &binding(1, "a"));
        assert_eq!(At::open(&text, &binding(1, "a")), Some(At { from_ms: 9, positions }));
        assert_eq!(At::open(&text, &binding(2, "a")), None);
        assert_eq!(At::open(&text, &binding(1, "b")), None);
        assert_eq!(At::open("", &binding(1, "a")), None);
    }
}
