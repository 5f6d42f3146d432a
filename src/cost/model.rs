//! The cost model: pure arithmetic from a load to requests, units and money.

use super::arrivals::{LaneTraffic, gathered};
use serde::Serialize;

/// Where the prices come from, and what is left out.
pub(super) const SOURCES: &str = "\
Prices: us-east-1, on demand, November 2026. Kinesis provisioned: 0.015 USD a
shard-hour, 0.014 USD a million PUT units of 25 KB; a shard takes 1 MB/s and
1,000 records/s. DynamoDB on demand: 0.625 USD a million write units of 1 KB,
0.125 USD a million read units of 4 KB. SQS standard: 0.40 USD a million
requests of 64 KB. API Gateway HTTP API: 1.00 USD a million. Lambda: 0.20 USD a
million and 16.67 USD a million GB-seconds. Compression, where none is given: as
measured of GitHub's webhooks (npm @octokit/webhooks-examples, whole and cut to
1 KB), in batches of that many, at zstd level 1, by
`cargo run --release -p sluice-model --example compression`. Left out of both: the machines that
run the processes, storage, traffic, Postgres and Redis (fixed), reads by
customers.";

const SHARD_HOUR_USD: f64 = 0.015;
const PUT_UNIT_USD: f64 = 0.014;
const PUT_UNIT_KB: f64 = 25.0;
const WRITE_UNIT_USD: f64 = 0.625;
const WRITE_UNIT_KB: f64 = 1.0;
const READ_UNIT_USD: f64 = 0.125;
const READ_UNIT_KB: f64 = 4.0;
const QUEUE_REQUEST_USD: f64 = 0.40;
const GATEWAY_USD: f64 = 1.00;
/// A call of 20 ms with 128 MB.
const FUNCTION_USD: f64 = 0.20 + 16.67 * 0.02 * 0.125;

const SHARD_BYTES_PER_S: f64 = 1_048_576.0;
const SHARD_RECORDS_PER_S: f64 = 1000.0;
/// How full a shard may be: lanes are not quite even, and load varies.
const SHARD_FILL: f64 = 0.7;
const LANES: f64 = 128.0;
/// Overhead of a batch's item: tables, keys and names.
const ITEM_OVERHEAD_BYTES: f64 = 160.0;
/// Bytes of an item of facts: its keys and names, and for each subscription its id,
/// its sets of events and its attempts. A subscription that matches only some of the
/// events takes a bit an event more.
const FACTS_OVERHEAD_BYTES: f64 = 150.0;
const FACTS_ROW_BYTES: f64 = 36.0;
/// Overhead of a record: header and directory.
const RECORD_OVERHEAD_BYTES: f64 = 48.0;
const BATCH_OVERHEAD_BYTES: f64 = 68.0;
/// The most raw bytes and events of a batch.
const BATCH_BYTES_MAX: f64 = 350_000.0;
const BATCH_EVENTS_MAX: f64 = 4096.0;
/// Events of one webhook, by default.
const WEBHOOK_EVENTS: f64 = 100.0;
/// Messages of one SQS request.
const MESSAGES_A_REQUEST: f64 = 10.0;
/// Time from one write of a processor to the next: deliveries that fail meanwhile are
/// put into the queue together.
const COMMIT_S: f64 = 0.1;
/// Receive requests of a processor whose queue is empty: four every two seconds.
const RECEIVES_PER_S: f64 = 2.0;
/// Lease writes and reads of a processor's tick, a second.
const TICKS_PER_S: f64 = 1.0;
/// Checkpoints of a shard on which something is settled, a second.
const CHECKPOINTS_PER_S: f64 = 2.0;
/// Time from one read of a shard to the next: events that came meanwhile are read
/// together, and go into a customer's webhooks together.
const POLL_S: f64 = 0.22;
/// The history of attempts: a processor writes a row for each subscription with the
/// attempts since its last write, a second and the time of that write before. Attempts
/// beyond the limit of a row are left out; subscriptions beyond the limit of a write wait.
const HISTORY_WRITE_S: f64 = 1.0;
const HISTORY_ROW_S: f64 = 0.005;
const HISTORY_ATTEMPTS: f64 = 16.0;
const HISTORY_SUBSCRIPTIONS: f64 = 256.0;
/// An attempt in such a row, and the row's names and keys.
const ATTEMPT_BYTES: f64 = 150.0;
const HISTORY_ROW_BYTES: f64 = 120.0;

/// The load that comes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct CostLoad {
    pub(super) events_per_s: f64,
    pub(super) event_bytes: f64,
    /// Raw bytes for each byte stored; measured values if it is not given.
    pub(super) compression: Option<f64>,
    pub(super) customers: f64,
    /// Events of one request.
    pub(super) request_events: f64,
    /// Subscriptions that match an event, on average.
    pub(super) subscriptions: f64,
    /// Deliveries that fail and are retried once.
    pub(super) failed_share: f64,
    /// Time from one record of a lane to the next: the duration of a PutRecords call.
    pub(super) cycle_s: f64,
    pub(super) processors: f64,
}

/// One kind of request or unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BillLine {
    pub(super) what: &'static str,
    pub(super) per_s: f64,
    pub(super) usd_per_million: f64,
    pub(super) usd_per_million_events: f64,
}

/// Raw bytes of a batch and how well batches of that size compress: GitHub's
/// webhooks cut to 954 bytes (the first row) and whole, 10 KB (the second).
const MEASURED: [(f64, [(f64, f64); 7]); 2] = [
    (954.0, [(1.0, 1.59), (2.0, 2.17), (5.0, 3.15), (10.0, 4.02), (25.0, 5.65), (50.0, 6.97), (100.0, 7.11)]),
    (
        10_000.0,
        [(1.0, 5.34), (2.0, 7.40), (5.0, 10.61), (10.0, 11.15), (25.0, 12.04), (50.0, 12.05), (100.0, 12.08)],
    ),
];

/// Interpolates on a logarithmic scale; beyond the ends, the value of the nearer end.
fn between(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    let share = ((x / x0).ln() / (x1 / x0).ln()).clamp(0.0, 1.0);
    y0 + (y1 - y0) * share
}

/// How well real events of this size compress in batches of this many events.
pub(super) fn measured_compression(event_bytes: f64, events_per_batch: f64) -> f64 {
    let of_row = |row: &[(f64, f64); 7]| {
        let above = row.partition_point(|(events, _)| *events <= events_per_batch).clamp(1, row.len() - 1);
        between(events_per_batch, row[above - 1], row[above])
    };
    let [(small, small_row), (large, large_row)] = &MEASURED;
    between(event_bytes, (*small, of_row(small_row)), (*large, of_row(large_row)))
}

/// The bill of a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bill {
    pub(super) compression: f64,
    pub(super) events_per_batch: f64,
    pub(super) batches_per_s: f64,
    pub(super) records_per_s: f64,
    pub(super) record_kb: f64,
    pub(super) shards: f64,
    pub(super) webhooks_per_s: f64,
    pub(super) lines: Vec<BillLine>,
    pub(super) usd_per_million_events: f64,
    pub(super) classic_lines: Vec<BillLine>,
    pub(super) classic_usd_per_million_events: f64,
}

/// Computes the bill of a load.
pub(super) fn bill(load: &CostLoad) -> Bill {
    let (request, requests_per_s) = (load.request_events, load.events_per_s / load.request_events);
    let lanes = LaneTraffic::new(requests_per_s, load.customers, LANES, load.cycle_s);
    let fits = (BATCH_BYTES_MAX / load.event_bytes).clamp(1.0, BATCH_EVENTS_MAX);
    let parts = |requests: f64| (requests * request / fits).ceil();
    let batches_per_s = lanes.over_batches(parts);
    let events_per_batch = load.events_per_s / batches_per_s;
    let compression =
        load.compression.unwrap_or_else(|| measured_compression(load.event_bytes, events_per_batch));
    let event_bytes = load.event_bytes / compression;
    let records_per_s = lanes.records_per_s;
    let record_overhead = RECORD_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES * batches_per_s / records_per_s;
    let bytes_per_s = load.events_per_s * event_bytes + records_per_s * record_overhead;
    let put_units_per_s =
        lanes.over_records(|n| units(n * request * event_bytes + record_overhead, PUT_UNIT_KB));
    let shards = (bytes_per_s / SHARD_BYTES_PER_S).max(records_per_s / SHARD_RECORDS_PER_S) / SHARD_FILL;
    let shards = shards.ceil().max(1.0);
    let item_units_per_s = lanes.over_batches(|n| {
        parts(n) * units(n * request * event_bytes / parts(n) + ITEM_OVERHEAD_BYTES, WRITE_UNIT_KB)
    });
    let flow = Deliveries::of(load, requests_per_s, events_per_batch);
    let retried_reads = units(events_per_batch * event_bytes + ITEM_OVERHEAD_BYTES, READ_UNIT_KB);
    let lease_writes =
        shards * (TICKS_PER_S + CHECKPOINTS_PER_S.min(records_per_s / shards)) + load.processors;
    let each = |what, per_s: f64, usd| line(what, per_s, usd, load.events_per_s);
    let lines = vec![
        each("Kinesis shard-hours", shards / 3600.0, SHARD_HOUR_USD * 1e6),
        each("Kinesis PUT units", put_units_per_s, PUT_UNIT_USD),
        each("DynamoDB write units, batches", item_units_per_s, WRITE_UNIT_USD),
        each("DynamoDB write units, facts", flow.fact_units_per_s(load, batches_per_s), WRITE_UNIT_USD),
        each("DynamoDB write units, history of attempts", flow.history_units_per_s(load), WRITE_UNIT_USD),
        each("DynamoDB write units, leases and checkpoints", lease_writes, WRITE_UNIT_USD),
        each(
            "DynamoDB read units, batches retried",
            flow.retried_batches_per_s * retried_reads,
            READ_UNIT_USD,
        ),
        each(
            "DynamoDB read units, leases",
            load.processors * ((shards + load.processors) * 0.4 / READ_UNIT_KB).ceil() * TICKS_PER_S,
            READ_UNIT_USD,
        ),
        each("SQS requests, retries", flow.queue_requests_per_s(load), QUEUE_REQUEST_USD),
        each("SQS requests, polling", load.processors * RECEIVES_PER_S, QUEUE_REQUEST_USD),
    ];
    let event_units = (load.event_bytes / 1024.0).ceil();
    let classic_lines = vec![
        each("API gateway requests", load.events_per_s, GATEWAY_USD),
        each(
            "function calls, taking and delivering",
            load.events_per_s * (1.0 + load.subscriptions),
            FUNCTION_USD,
        ),
        each(
            "SQS requests (send one, receive and delete ten)",
            load.events_per_s * (1.0 + 2.0 / MESSAGES_A_REQUEST) * (load.event_bytes / 65_536.0).ceil(),
            QUEUE_REQUEST_USD,
        ),
        each("DynamoDB write units, put and update", load.events_per_s * 2.0 * event_units, WRITE_UNIT_USD),
    ];
    Bill {
        compression,
        events_per_batch,
        batches_per_s,
        records_per_s,
        record_kb: bytes_per_s / records_per_s / 1024.0,
        shards,
        webhooks_per_s: flow.per_s,
        usd_per_million_events: sum(&lines),
        lines,
        classic_usd_per_million_events: sum(&classic_lines),
        classic_lines,
    }
}

/// Webhooks, and the numbers that follow from them.
struct Deliveries {
    per_s: f64,
    retries_per_s: f64,
    /// Batches that two webhooks share, because a full webhook ends within a batch.
    cut_batches_per_s: f64,
    retried_batches_per_s: f64,
}

impl Deliveries {
    fn of(load: &CostLoad, requests_per_s: f64, events_per_batch: f64) -> Self {
        let outboxes = load.customers * load.subscriptions;
        let in_a_poll = requests_per_s / load.customers * POLL_S;
        let full = |requests: f64| (requests * load.request_events / WEBHOOK_EVENTS).ceil();
        let per_s = gathered(outboxes, in_a_poll, full) / POLL_S;
        // All subscriptions cut a customer's batches at the same places.
        let alike = load.customers * load.subscriptions.min(1.0);
        let cut_batches_per_s = gathered(alike, in_a_poll, |n| full(n) - 1.0) / POLL_S;
        let retries_per_s = per_s * load.failed_share;
        let events = load.events_per_s * load.subscriptions / per_s;
        let retried_batches_per_s = retries_per_s * (events / events_per_batch).max(1.0);
        Self { per_s, retries_per_s, cut_batches_per_s, retried_batches_per_s }
    }

    /// Facts are items of their own, put once: a write costs only its own size. (If
    /// they were one growing item, each write would cost the size of all facts so far.)
    fn fact_units_per_s(&self, load: &CostLoad, batches_per_s: f64) -> f64 {
        let bytes = |subscriptions: f64| FACTS_OVERHEAD_BYTES + FACTS_ROW_BYTES * subscriptions;
        let of_all = units(bytes(load.subscriptions.max(1.0)), WRITE_UNIT_KB);
        let first = batches_per_s * load.subscriptions.min(1.0) + self.cut_batches_per_s;
        // A retry tells something new about one subscription.
        first * of_all + self.retried_batches_per_s * units(bytes(1.0), WRITE_UNIT_KB)
    }

    fn history_units_per_s(&self, load: &CostLoad) -> f64 {
        let subscriptions = load.customers * load.subscriptions;
        let of_processor = subscriptions / load.processors;
        let rows = of_processor.min(HISTORY_SUBSCRIPTIONS);
        let interval_s = (HISTORY_WRITE_S + HISTORY_ROW_S * rows) * of_processor / rows;
        let attempts = (self.per_s + self.retries_per_s) / subscriptions * interval_s;
        let row = |n: f64| units(n.min(HISTORY_ATTEMPTS) * ATTEMPT_BYTES + HISTORY_ROW_BYTES, WRITE_UNIT_KB);
        gathered(subscriptions, attempts, row) / interval_s
    }

    /// Requests to send and to delete; messages that come together share a request.
    fn queue_requests_per_s(&self, load: &CostLoad) -> f64 {
        let together = self.retries_per_s / load.processors * COMMIT_S;
        2.0 * gathered(load.processors, together, |n| (n / MESSAGES_A_REQUEST).ceil()) / COMMIT_S
    }
}

/// The number of units of `unit_kb` that `bytes` begin.
fn units(bytes: f64, unit_kb: f64) -> f64 {
    (bytes / 1024.0 / unit_kb).ceil().max(1.0)
}

fn line(what: &'static str, per_s: f64, usd_per_million: f64, events_per_s: f64) -> BillLine {
    BillLine { what, per_s, usd_per_million, usd_per_million_events: per_s / events_per_s * usd_per_million }
}

fn sum(lines: &[BillLine]) -> f64 {
    lines.iter().map(|line| line.usd_per_million_events).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: CostLoad = CostLoad {
        events_per_s: 100_000.0,
        event_bytes: 1024.0,
        compression: Some(5.0),
        customers: 100.0,
        request_events: 1.0,
        subscriptions: 1.0,
        failed_share: 0.01,
        cycle_s: 0.025,
        processors: 4.0,
    };

    #[test]
    fn a_bill_is_what_a_hand_works_out() {
        let bill = bill(&LOAD);
        // 1,000 events/s of a customer: 25 a batch, 4,000 batches/s of 5,120 bytes on average.
        assert!((bill.events_per_batch - 25.0).abs() < 1e-6 && (bill.batches_per_s - 4000.0).abs() < 1e-3);
        let units = bill.lines.iter().find(|line| line.what == "DynamoDB write units, batches").unwrap();
        // 5,280 bytes with names and keys are 5.16 KB; of sizes that vary, half a unit more is begun.
        assert!((5.5..5.7).contains(&(units.per_s / 4000.0)), "{}", units.per_s);
        assert!((units.usd_per_million_events - units.per_s * 10.0 * 0.625e-6).abs() < 1e-9);
        // 20.8 MB/s in shards that are to be 70 % full.
        assert_eq!(bill.shards, 29.0);
        let shards = &bill.lines[0];
        assert!((shards.usd_per_million_events - 29.0 * 0.015 / 3600.0 * 10.0).abs() < 1e-9);
        assert!((3.0..4.0).contains(&bill.classic_usd_per_million_events));
    }

    #[test]
    fn better_compression_and_longer_cycles_cost_less() {
        let cost = |load: CostLoad| bill(&load).usd_per_million_events;
        assert!(cost(CostLoad { compression: Some(8.0), ..LOAD }) < cost(LOAD));
        assert!(cost(CostLoad { cycle_s: 0.1, ..LOAD }) < cost(LOAD));
        assert!(cost(CostLoad { customers: 10_000.0, ..LOAD }) > cost(LOAD));
    }

    #[test]
    fn the_target_holds_with_the_compression_of_real_events() {
        let bill = bill(&CostLoad { compression: None, ..LOAD });
        assert!((5.0..6.0).contains(&bill.compression), "{}", bill.compression);
        assert!(bill.usd_per_million_events <= 0.20, "{}", bill.usd_per_million_events);
        let json = serde_json::to_value(&bill).unwrap();
        assert!(json["usd_per_million_events"].is_f64() && json["classic_usd_per_million_events"].is_f64());
    }

    #[test]
    fn compression_is_what_was_measured_and_between_that() {
        assert!((measured_compression(954.0, 25.0) - 5.65).abs() < 1e-9);
        assert!((measured_compression(10_000.0, 1.0) - 5.34).abs() < 1e-9);
        assert!((measured_compression(100.0, 0.5) - 1.59).abs() < 1e-9);
        assert!((measured_compression(1e6, 1e6) - 12.08).abs() < 1e-9);
        let between = measured_compression(3000.0, 15.0);
        assert!((4.02..12.04).contains(&between), "{between}");
    }

    fn per_s(bill: &Bill, what: &str) -> f64 {
        bill.lines.iter().find(|line| line.what == what).unwrap().per_s
    }

    #[test]
    fn webhooks_gather_from_one_read_of_a_shard_to_the_next() {
        let slow = CostLoad { events_per_s: 1000.0, customers: 10.0, failed_share: 0.0, ..LOAD };
        // 22 events a read: one webhook each, and 4.5 reads a second of ten customers.
        assert!((bill(&slow).webhooks_per_s - 10.0 / 0.22).abs() < 0.1);
        let two = bill(&CostLoad { subscriptions: 2.0, ..slow });
        assert!((two.webhooks_per_s - 20.0 / 0.22).abs() < 0.1);
        let facts = "DynamoDB write units, facts";
        assert_eq!(per_s(&two, facts), per_s(&bill(&slow), facts), "their facts share writes");
    }

    #[test]
    fn facts_of_many_subscriptions_cost_what_they_weigh() {
        let quiet = CostLoad { events_per_s: 1000.0, customers: 10.0, failed_share: 0.0, ..LOAD };
        let facts = |subscriptions| {
            let bill = bill(&CostLoad { subscriptions, ..quiet });
            per_s(&bill, "DynamoDB write units, facts") / bill.batches_per_s
        };
        // 150 + 48 * 36 bytes are 1.8 KB.
        assert!((facts(48.0) / facts(1.0) - 2.0).abs() < 1e-9, "{} and {}", facts(48.0), facts(1.0));
        assert!((facts(0.5) / facts(1.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn attempts_of_a_write_share_a_row_of_the_history() {
        let slow = CostLoad { events_per_s: 1000.0, customers: 10.0, failed_share: 0.0, ..LOAD };
        let history = per_s(&bill(&slow), "DynamoDB write units, history of attempts");
        assert!(history < bill(&slow).webhooks_per_s / 3.0 && history > 9.0, "{history}");
    }

    #[test]
    fn a_rare_retry_is_two_requests_and_many_are_ten_a_request() {
        let requests = |events_per_s, failed_share| {
            let bill = bill(&CostLoad { events_per_s, failed_share, ..LOAD });
            per_s(&bill, "SQS requests, retries") / (bill.webhooks_per_s * failed_share)
        };
        assert!((1.9..=2.0).contains(&requests(100.0, 0.01)), "{}", requests(100.0, 0.01));
        assert!((0.2..0.3).contains(&requests(1e6, 0.5)), "{}", requests(1e6, 0.5));
    }

    #[test]
    fn a_trickle_costs_a_shard_and_a_unit_an_event() {
        let bill = bill(&CostLoad { events_per_s: 1.0, ..LOAD });
        let ones = [bill.shards, bill.events_per_batch, bill.records_per_s];
        assert!(ones.iter().all(|one| (one - 1.0).abs() < 1e-3), "{ones:?}");
    }
}
