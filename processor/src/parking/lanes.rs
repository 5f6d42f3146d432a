//! The parked lists of one subscription, one for each lane, served in turn.

use super::{Next, Parked};
use sluice_model::{DeliveryId, Lane};
use std::collections::BTreeMap;

/// The parked lists of one subscription.
#[derive(Debug, Default)]
pub struct ParkedLanes {
    lanes: BTreeMap<Lane, Parked>,
    /// The lane that was served last.
    served: Option<Lane>,
}

/// The next parked webhook over all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LanesNext {
    /// A failed delivery is due.
    Retry {
        /// The lane whose list has it.
        lane: Lane,
        /// Which delivery.
        delivery: DeliveryId,
    },
    /// Events can be cut into a webhook.
    Cut {
        /// The lane whose list has these events.
        lane: Lane,
    },
    /// Nothing can go before this time; `None`: until something changes.
    Sleep {
        /// Milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
}

impl ParkedLanes {
    /// Whether nothing is parked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The number of parked events.
    #[must_use]
    pub fn events(&self) -> usize {
        self.lanes.values().map(Parked::events).sum()
    }

    /// Whether events of this key are parked in the lane; false for events without a key (0).
    #[must_use]
    pub fn holds(&self, lane: Lane, key: u64) -> bool {
        key != 0 && self.lanes.get(&lane).is_some_and(|parked| parked.holds(key))
    }

    /// The list of a lane, which is empty if it is new.
    pub fn list(&mut self, lane: Lane) -> &mut Parked {
        self.lanes.entry(lane).or_default()
    }

    /// The list of a lane whose turn it is now: next time the other lanes come first.
    pub fn serve(&mut self, lane: Lane) -> &mut Parked {
        self.served = Some(lane);
        self.list(lane)
    }

    /// All lists with their lanes.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Lane, &mut Parked)> {
        self.lanes.iter_mut().map(|(lane, parked)| (*lane, parked))
    }

    /// Forgets empty lists.
    pub fn forget_empty(&mut self) {
        self.lanes.retain(|_, parked| !parked.is_empty());
    }

    /// The next webhook from the entries that were parked in commits up to `durable`.
    #[must_use]
    pub fn next(&self, now_ms: u64, durable: u64) -> LanesNext {
        let served = self.served.map_or(0, |lane| self.lanes.range(..=lane).count());
        let in_turn = self.lanes.iter().skip(served).chain(self.lanes.iter().take(served));
        let mut until_ms: Option<u64> = None;
        for (&lane, parked) in in_turn {
            match parked.next(now_ms, durable) {
                Next::Retry(delivery) => return LanesNext::Retry { lane, delivery },
                Next::Cut => return LanesNext::Cut { lane },
                Next::At(at_ms) => until_ms = Some(until_ms.map_or(at_ms, |first| first.min(at_ms))),
                Next::Nothing => {}
            }
        }
        LanesNext::Sleep { until_ms }
    }
}
