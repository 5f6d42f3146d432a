//! How a receiver answers, so that senders can be tested against bad receivers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::SeededRandom;

/// How a receiver replies to a delivery that it has read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverReply {
    /// Answers with this status; 2xx takes the events.
    Status(u16),
    /// Never answers, and keeps the connection open.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Resets the connection (RST) without an answer.
    Reset,
    /// Says 200, breaks off within the answer and closes the connection.
    Cut,
}

/// How deliveries are answered. As JSON (`PUT /behaviour`) absent fields have
/// their default: `{"reply":{"status":200},"delay_ms":0,"fail_share":0,
/// "fail_reply":{"status":500},"fail_events_share":0,"retry_after_s":null, …}`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// For deliveries that are not made to fail.
    pub reply: ReceiverReply,
    /// How long each answer waits, in ms.
    pub delay_ms: u64,
    /// If given, each answer waits a random time from `delay_ms` to this, uniformly drawn.
    pub delay_max_ms: Option<u64>,
    /// Share of deliveries (0 to 1) that get `fail_reply` instead.
    pub fail_share: f64,
    /// For deliveries that are made to fail.
    pub fail_reply: ReceiverReply,
    /// Share of the events (0 to 1) that a 2xx answer says failed:
    /// `{"failed":["event_id",…]}`.
    pub fail_events_share: f64,
    /// Sent as `Retry-After` (seconds) with answers that are not 2xx.
    pub retry_after_s: Option<u32>,
    /// Sends `Retry-After` as a date instead of seconds.
    pub retry_after_date: bool,
}

/// A behaviour for some time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct BehaviourPhase {
    /// How long, in ms.
    pub for_ms: u64,
    /// How deliveries are answered meanwhile; absent fields have their default.
    #[serde(flatten)]
    pub behaviour: Behaviour,
}

const DELAY_MS_MAX: u64 = 86_400_000;

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            reply: ReceiverReply::Status(200),
            delay_ms: 0,
            delay_max_ms: None,
            fail_share: 0.0,
            fail_reply: ReceiverReply::Status(500),
            fail_events_share: 0.0,
            retry_after_s: None,
            retry_after_date: false,
        }
    }
}

impl Behaviour {
    /// Answers everything with `status`.
    pub fn status(status: u16) -> Self {
        Self { reply: ReceiverReply::Status(status), ..Self::default() }
    }

    /// The first rule that the behaviour breaks, if any.
    pub fn fault(&self) -> Option<&'static str> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        let status = |reply| !matches!(reply, ReceiverReply::Status(..200 | 600..));
        if !share(self.fail_share) || !share(self.fail_events_share) {
            Some("a share must be from 0 to 1")
        } else if !status(self.reply) || !status(self.fail_reply) {
            Some("a status must be from 200 to 599")
        } else if self.delay_ms.max(self.delay_max_ms.unwrap_or(0)) > DELAY_MS_MAX {
            Some("a delay must be at most a day")
        } else {
            None
        }
    }

    /// How long the next answer waits.
    pub(super) fn delay(&self, random: &mut SeededRandom) -> Duration {
        let more = self.delay_max_ms.map_or(0, |max| max.saturating_sub(self.delay_ms));
        let jitter = if more > 0 { random.below(more + 1) } else { 0 };
        Duration::from_millis(self.delay_ms + jitter)
    }

    /// The reply to the next delivery.
    pub(super) fn choose(&self, random: &mut SeededRandom) -> ReceiverReply {
        if self.fail_share > 0.0 && random.unit() < self.fail_share { self.fail_reply } else { self.reply }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_failures_is_kept() {
        let behaviour =
            Behaviour { fail_share: 0.1, fail_reply: ReceiverReply::Close, ..Behaviour::default() };
        let mut random = SeededRandom::new(1);
        let failed = (0..10_000).filter(|_| behaviour.choose(&mut random) == ReceiverReply::Close).count();
        assert!((800..1200).contains(&failed), "{failed}");
        let never = Behaviour::status(204);
        assert!((0..100).all(|_| never.choose(&mut random) == ReceiverReply::Status(204)));
    }

    #[test]
    fn json_may_say_only_what_differs() {
        let read = |text| serde_json::from_str::<Behaviour>(text).expect("valid");
        assert_eq!(read("{}"), Behaviour::default());
        let hanging = read(r#"{"reply":"hang","delay_ms":5,"fail_reply":{"status":429},"retry_after_s":1}"#);
        assert_eq!((hanging.reply, hanging.fail_reply), (ReceiverReply::Hang, ReceiverReply::Status(429)));
        assert!(serde_json::from_str::<Behaviour>(r#"{"dealy_ms":5}"#).is_err());
    }

    #[test]
    fn nonsense_is_found() {
        assert!(Behaviour { fail_share: 1.1, ..Behaviour::default() }.fault().is_some());
        assert!(Behaviour::status(100).fault().is_some());
        assert!(Behaviour::default().fault().is_none());
    }
}
