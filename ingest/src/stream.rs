//! A stream of a customer's events, as server-sent events (WHATWG HTML, 9.2).
//!
//! ```text
//! retry: 1000                      first of all
//!
//! id: <cursor>                     one event; the cursor holds the position in each lane
//! data: <the event as the inbox shows it>
//!
//! : still here                     while nothing happens; with the cursor if it moved
//! ```
//!
//! A stream reads the event store without end. A slow reader therefore costs the
//! two pages that wait for it and misses nothing, and another process, or this
//! one after a restart, can continue from its cursor.

mod position;

pub(crate) use position::{StreamPosition, stream_binding};

use crate::connection::ClientConnection;
use crate::customer_locks::CustomerLocks;
use crate::inbox::{EventFilter, FoundEvent, PageBudget, PageQuery, read_as};
use crate::item;
use crate::reply::StreamedBody;
use crate::streams::StreamPlace;
use bytes::Bytes;
use sluice_catalogue::directory::{CustomerEntry, KeyEntry};
use sluice_ports::event_store::Direction;
use sluice_ports::{EventStore, PortError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much is read at a time.
const PAGE: PageBudget = PageBudget { limit: 256, events: 20_000, batches: 512, bytes: 256 << 10 };

/// How long a stream waits after it has read everything, so that events that come
/// meanwhile are read together. Without this pause many streams of a busy customer
/// would read the store for each of its requests.
const NEWS_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two failed reads of the store.
const STORE_WAIT_MAX: Duration = Duration::from_secs(5);

/// How streams are paced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamPace {
    /// How often a stream looks for events without being woken.
    pub poll: Duration,
    /// How often a stream without events sends a sign of life.
    pub heartbeat: Duration,
    /// How long a reader may accept nothing.
    pub stall: Duration,
}

/// Who reads a stream.
pub(crate) enum StreamReader {
    /// The customer, as long as its key is valid and it is not suspended.
    Customer(Arc<KeyEntry>),
    /// An operator, who may read a suspended customer's events too.
    Operator(Arc<CustomerEntry>),
}

impl StreamReader {
    /// The customer whose events are read.
    pub(crate) fn customer(&self) -> &CustomerEntry {
        match self {
            Self::Customer(key) => key.customer(),
            Self::Operator(customer) => customer,
        }
    }

    fn may_read(&self) -> bool {
        match self {
            Self::Customer(key) => key.is_valid() && key.customer().is_active(),
            Self::Operator(_) => true,
        }
    }
}

/// A stream, ready to start.
pub(crate) struct EventStream {
    pub store: Arc<dyn EventStore>,
    pub reader: StreamReader,
    /// How many lanes the deployment has.
    pub lanes: u16,
    pub filter: EventFilter,
    pub position: StreamPosition,
    pub place: StreamPlace,
    pub pace: StreamPace,
    /// Bounds the pages that a customer's streams read at a time.
    pub reads: Arc<CustomerLocks>,
    /// Cancelled when the process drains.
    pub drain: CancellationToken,
}

impl EventStream {
    /// Starts the stream. Dropping the body ends it.
    pub(crate) fn start(self, connection: &Arc<ClientConnection>) -> StreamedBody {
        StreamedBody::start(connection, |pages| self.run(pages))
    }

    /// Reads and sends until the reader is gone or stalls, the key is no longer
    /// valid, or the process drains.
    async fn run(mut self, pages: mpsc::Sender<Bytes>) {
        let drain = self.drain.clone();
        if !self.send(&pages, Bytes::from_static(b"retry: 1000\n\n")).await {
            return;
        }
        // Cancelling between two pages loses nothing: the reader's cursor tells where to continue.
        if drain.run_until_cancelled(self.pump(&pages)).await.is_none() {
            pages.try_send(Bytes::from_static(b": the server stops; come back\n\n")).ok();
        }
    }

    async fn pump(&mut self, pages: &mpsc::Sender<Bytes>) {
        let news = Arc::clone(&self.place.news);
        let (mut told_at, mut told_positions) = (Instant::now(), self.position.lanes.clone());
        let mut failures = 0;
        while self.reader.may_read() {
            // Enabled before the store is read, so that no event is missed between the two.
            let mut told = std::pin::pin!(news.notified());
            told.as_mut().enable();
            let (items, has_more) = match self.page().await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream cannot read the event store");
                    tokio::time::sleep(wait_after(failures)).await;
                    failures += 1;
                    continue;
                }
            };
            failures = 0;
            let message = if !items.is_empty() {
                Some(items.into())
            } else if told_at.elapsed() >= self.pace.heartbeat {
                // Events that the filter refused move the cursor as well.
                Some(self.heartbeat(told_positions != self.position.lanes))
            } else {
                None
            };
            if let Some(message) = message {
                (told_at, told_positions) = (Instant::now(), self.position.lanes.clone());
                if !self.send(pages, message).await {
                    return;
                }
            }
            if has_more {
                continue;
            }
            let rest = self.pace.heartbeat.saturating_sub(told_at.elapsed()).min(self.pace.poll);
            // Cancel safe: all three are waits.
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep(rest) => {}
                () = pages.closed() => return,
            }
            tokio::time::sleep(NEWS_PAUSE).await;
        }
    }

    /// The next events, and whether more may follow at once.
    async fn page(&mut self) -> Result<(Vec<u8>, bool), PortError> {
        let customer = self.reader.customer();
        let binding = stream_binding(customer.id(), &self.filter);
        let from_ms = self.position.from_ms;
        let _turn = self.reads.lock(customer.id()).await;
        let query = PageQuery {
            customer: customer.id(),
            // Read each time, since the customer may use more lanes by now.
            lanes: customer.state().customer.lanes_ever(self.lanes).collect(),
            positions: self.position.lanes.clone(),
            horizons: self.store.horizons().await?,
            not_before_ms: from_ms,
            direction: Direction::Ascending,
            filter: &self.filter,
            budget: PAGE,
        };
        let mut item = Vec::new();
        let write = |found: &FoundEvent<'_>, out: &mut Vec<u8>| {
            out.extend_from_slice(b"id: ");
            out.extend_from_slice(position::seal(from_ms, found.positions(), &binding).as_bytes());
            item.clear();
            item::write(found.envelope, &found.standing, &mut item);
            write_data(&item, out);
        };
        let page = read_as(&*self.store, query, write).await?;
        self.position.advance(page.positions);
        Ok((page.items, page.has_more))
    }

    /// A comment as a sign of life. If the position moved, it comes with a cursor, which a
    /// client keeps although there is no event.
    fn heartbeat(&self, moved: bool) -> Bytes {
        let mut text = ": still here\n".to_owned();
        if moved {
            let binding = stream_binding(self.reader.customer().id(), &self.filter);
            text += &format!("id: {}\n", self.position.seal(&binding));
        }
        text.push('\n');
        text.into()
    }

    /// Returns whether the reader is still there.
    async fn send(&self, pages: &mpsc::Sender<Bytes>, bytes: Bytes) -> bool {
        matches!(tokio::time::timeout(self.pace.stall, pages.send(bytes)).await, Ok(Ok(())))
    }
}

/// How long to wait after so many failures in a row.
fn wait_after(failures: u32) -> Duration {
    Duration::from_millis(100 << failures.min(6)).min(STORE_WAIT_MAX)
}

/// Writes an event as data. Line breaks between the tokens of its JSON (there are
/// no others) would end the data, so each line becomes a data line of its own.
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
}
