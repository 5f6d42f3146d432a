//! Decides which queued events make the next batch, and which still fit the queue. Pure.

use crate::error::SdkError;
use std::time::Duration;

/// The limits of a batcher. Bytes are those of the events' JSON.
#[derive(Debug, Clone)]
pub struct BatcherOptions {
    /// The most events of a request.
    pub batch_events_max: usize,
    /// The most bytes of a request, with brackets and commas, before gzip.
    pub batch_bytes_max: usize,
    /// The most bytes of an event; the server's default limit.
    pub event_bytes_max: usize,
    /// The most events that wait or are being sent.
    pub queue_events_max: usize,
    /// The most bytes that wait or are being sent.
    pub queue_bytes_max: usize,
    /// How long the first event of a batch waits for others.
    pub linger: Duration,
    /// Attempts of a batch after the first; with the waits between them, about two and a half minutes.
    pub max_retries: u32,
    /// How long dropping the batcher waits for queued events.
    pub exit_timeout: Duration,
}

impl Default for BatcherOptions {
    fn default() -> Self {
        Self {
            batch_events_max: 1000,
            batch_bytes_max: 1 << 20,
            event_bytes_max: 256 << 10,
            queue_events_max: 10_000,
            queue_bytes_max: 16 << 20,
            linger: Duration::from_millis(20),
            max_retries: 20,
            exit_timeout: Duration::from_secs(30),
        }
    }
}

impl BatcherOptions {
    pub(crate) fn check(&self) -> Result<(), SdkError> {
        let counts =
            [self.batch_events_max, self.event_bytes_max, self.queue_events_max, self.queue_bytes_max];
        let fault = if counts.contains(&0) {
            "batch_events_max, event_bytes_max, queue_events_max and queue_bytes_max must be at least 1"
        } else if self.batch_events_max > 10_000 {
            "batch_events_max must be at most 10000"
        } else if self.batch_bytes_max < self.event_bytes_max.saturating_add(2) {
            "batch_bytes_max must be at least event_bytes_max and 2 brackets"
        } else if self.queue_bytes_max < self.event_bytes_max {
            "queue_bytes_max must be at least event_bytes_max"
        } else {
            return Ok(());
        };
        Err(SdkError::Setting(fault.into()))
    }

    /// Whether one more event fits the queue.
    pub(crate) fn fits(&self, queued_events: usize, queued_bytes: usize, size: usize) -> bool {
        queued_events < self.queue_events_max && queued_bytes.saturating_add(size) <= self.queue_bytes_max
    }
}

/// How many of the first events make a batch: at least one, and more while they fit.
pub(crate) fn cut(sizes: impl Iterator<Item = usize>, events_max: usize, bytes_max: usize) -> usize {
    let (mut count, mut total) = (0, 2);
    for size in sizes {
        total += size + usize::from(count > 0);
        if count > 0 && (count == events_max || total > bytes_max) {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientOptions, RetryLimits, Verifier};
    use serde_json::{Value, json};

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/limits.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn numbers(list: &Value) -> Vec<usize> {
        serde_json::from_value(list.clone()).unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_every_sdk() {
        let (client, retry, batcher) =
            (ClientOptions::default(), RetryLimits::default(), BatcherOptions::default());
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
        let ours = json!({
            "timeout_ms": ms(client.timeout), "connect_timeout_ms": ms(client.connect_timeout),
            "gzip_min_bytes": client.gzip_min_bytes, "max_retries": retry.max_retries, "base_ms": ms(retry.base),
            "cap_ms": ms(retry.cap), "retry_after_max_ms": ms(retry.retry_after_max),
            "tolerance_s": Verifier::TOLERANCE.as_secs(),
            "batcher": {
                "batch_events_max": batcher.batch_events_max, "batch_bytes_max": batcher.batch_bytes_max,
                "event_bytes_max": batcher.event_bytes_max, "queue_events_max": batcher.queue_events_max,
                "queue_bytes_max": batcher.queue_bytes_max, "linger_ms": ms(batcher.linger),
                "max_retries": batcher.max_retries,
            },
        });
        assert_eq!(ours, vectors()["defaults"]);
    }

    #[test]
    fn batches_are_cut_as_the_vector_says() {
        for case in vectors()["cuts"].as_array().unwrap() {
            let (mut rest, mut found) = (numbers(&case["sizes"]), Vec::new());
            while !rest.is_empty() {
                let limits = numbers(&json!([case["events_max"], case["bytes_max"]]));
                found.push(cut(rest.iter().copied(), limits[0], limits[1]));
                rest.drain(..found[found.len() - 1]);
            }
            assert_eq!(found, numbers(&case["batches"]), "{}", case["name"]);
        }
    }

    #[test]
    fn a_queue_is_full_when_the_vector_says() {
        for case in vectors()["queue"].as_array().unwrap() {
            let limits = numbers(&json!([case["queue_events_max"], case["queue_bytes_max"]]));
            let options = BatcherOptions {
                queue_events_max: limits[0],
                queue_bytes_max: limits[1],
                ..Default::default()
            };
            let (mut events, mut bytes) = (0, 0);
            let mut full = Vec::new();
            for size in numbers(&case["sizes"]) {
                let room = options.fits(events, bytes, size);
                full.push(!room);
                if room {
                    (events, bytes) = (events + 1, bytes + size);
                }
            }
            assert_eq!(json!(full), case["full"], "{}", case["name"]);
        }
    }

    #[test]
    fn absurd_options_are_refused() {
        let good = BatcherOptions::default();
        assert!(good.check().is_ok());
        for bad in [
            BatcherOptions { batch_events_max: 0, ..good.clone() },
            BatcherOptions { batch_events_max: 10_001, ..good.clone() },
            BatcherOptions { batch_bytes_max: 10, ..good.clone() },
            BatcherOptions { queue_bytes_max: 10, ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
