//! Puts requests into their customers' queues when they are due.

use std::rc::Rc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::error::ReplayError;
use super::player::Player;
use super::reader::Planned;
use super::shared::ReplayShared;
use super::waiting::DueRequest;
use crate::Latencies;
use crate::ticker::Ticker;

/// Puts requests into their customers' queues when they are due, and starts
/// players for them.
pub(super) struct Dispatcher {
    shared: Rc<ReplayShared>,
    players: JoinSet<()>,
    started: usize,
    /// How late requests were put into their queues.
    lag: Latencies,
    held_back: u64,
    /// True while requests are late because too many were waiting.
    behind: bool,
}

/// The counts of a dispatcher.
pub(super) struct DispatchCounts {
    /// How late requests were put into their queues.
    pub(super) lag: Latencies,
    /// Requests that were late because too many were waiting.
    pub(super) held_back: u64,
    /// How many players there were.
    pub(super) connections: usize,
}

impl Dispatcher {
    pub(super) fn new(shared: Rc<ReplayShared>) -> Self {
        let (players, lag) = (JoinSet::new(), Latencies::new());
        Self { shared, players, started: 0, lag, held_back: 0, behind: false }
    }

    /// Runs until the last request is in its queue, or until the replay stops.
    pub(super) async fn dispatch(
        &mut self,
        ticker: &Ticker,
        planned: &mut mpsc::Receiver<Planned>,
    ) -> Result<(), ReplayError> {
        let stop = self.shared.stop.clone();
        // Cancelling the receive loses no request; after a stop none is sent anyway.
        while let Some(Some(request)) = stop.run_until_cancelled(planned.recv()).await {
            let due = match request.offset {
                None => None,
                Some(offset) => match self.shared.started.checked_add(offset) {
                    // A time beyond the range of the clock never comes.
                    None => continue,
                    due => due,
                },
            };
            let waited = match due {
                Some(due) => self.wait_until(due, ticker).await?,
                None => Waited::Due,
            };
            let room = stop.run_until_cancelled(self.shared.waiting.room()).await;
            if waited == Waited::Stopping || room.is_none() {
                break;
            }
            if self.shared.waiting.push(DueRequest { due, planned: request }) {
                self.start_player();
            }
            self.behind |= self.shared.waiting.is_full();
        }
        Ok(())
    }

    /// Waits until a request is due and notes how late that is noticed.
    async fn wait_until(&mut self, due: Instant, ticker: &Ticker) -> Result<Waited, ReplayError> {
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            self.behind = false;
            let slept = self.shared.stop.run_until_cancelled(ticker.sleep(wait)).await;
            match slept {
                Some(slept) => slept.map_err(ReplayError::Start)?,
                None => return Ok(Waited::Stopping),
            }
        }
        match self.behind {
            // This lateness is the server's fault, not the generator's.
            true => self.held_back += 1,
            false => self.lag.record(due.elapsed()),
        }
        Ok(Waited::Due)
    }

    /// The counts, once all players have ended.
    pub(super) fn finish(self) -> DispatchCounts {
        DispatchCounts { lag: self.lag, held_back: self.held_back, connections: self.started }
    }

    fn start_player(&mut self) {
        if self.started < self.shared.config.connections {
            self.players.spawn_local(Player::new(self.started, Rc::clone(&self.shared)).run());
            self.started += 1;
        }
    }

    /// Waits until all players have ended.
    pub(super) async fn wait_for_players(&mut self) -> Result<(), ReplayError> {
        while let Some(ended) = self.players.join_next().await {
            ended.map_err(|_panic| ReplayError::Panicked)?;
        }
        Ok(())
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Waited {
    /// The request is due.
    Due,
    /// The replay was told to stop.
    Stopping,
}
