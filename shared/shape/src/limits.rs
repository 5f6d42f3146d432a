//! The limits of templates.

use serde::{Deserialize, Serialize};

/// The limits of templates and of their results, in bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShapeLimits {
    /// The longest template, as JSON.
    pub template_bytes_max: usize,
    /// The most strings of a template that are not constant.
    pub strings_max: usize,
    /// The most work of a template for one event: about one unit for each instruction, and one
    /// for each 64 bytes that it makes or reads.
    pub fuel: u64,
    /// The most bytes that a template may make of one event.
    pub event_bytes_max: usize,
    /// The most bytes of a transformed webhook.
    pub body_bytes_max: usize,
    /// The most bytes of transformed webhooks in flight, in one process.
    pub in_flight_bytes_max: usize,
    /// The most of `in_flight_bytes_max` that one customer may use, in percent.
    pub customer_share_percent: u8,
    /// Threads that run templates, in one process.
    pub threads: usize,
}

impl Default for ShapeLimits {
    fn default() -> Self {
        Self {
            template_bytes_max: 16 << 10,
            strings_max: 200,
            fuel: 50_000,
            event_bytes_max: 256 << 10,
            body_bytes_max: 1 << 20,
            in_flight_bytes_max: 64 << 20,
            customer_share_percent: 25,
            threads: 1,
        }
    }
}

impl ShapeLimits {
    /// The values with the names that they have in the configuration, and their ranges.
    #[must_use]
    pub fn ranges(&self) -> [(&'static str, i128, i128, i128); 8] {
        let body = self.body_bytes_max as i128;
        // One webhook must fit into the share of a customer.
        let in_flight_min = body * 100 / i128::from(self.customer_share_percent.max(1)) + 1;
        [
            ("transform.template_bytes_max", self.template_bytes_max as i128, 2, 256 << 10),
            ("transform.strings_max", self.strings_max as i128, 1, 10_000),
            ("transform.fuel", self.fuel.into(), 100, 100_000_000),
            ("transform.event_bytes_max", self.event_bytes_max as i128, 2, body),
            ("transform.body_bytes_max", body, 1024, 64 << 20),
            ("transform.customer_share_percent", self.customer_share_percent.into(), 1, 100),
            ("transform.in_flight_bytes_max", self.in_flight_bytes_max as i128, in_flight_min, 64 << 30),
            ("transform.threads", self.threads as i128, 1, 64),
        ]
    }
}
