//! `sluice cost`: what a load costs on AWS, with the arithmetic.

mod arrivals;
mod model;

use crate::cli::Cost;
use crate::output::say;
use model::{Bill, CostLoad, bill};

/// Prints the bill of a load.
pub(crate) fn print(options: &Cost) -> anyhow::Result<()> {
    let load = CostLoad {
        events_per_s: options.events_per_s,
        event_bytes: options.bytes,
        compression: options.compression,
        customers: f64::from(options.customers),
        request_events: options.request_events,
        subscriptions: options.subscriptions,
        failed_share: options.failed_share,
        cycle_s: options.cycle_ms / 1000.0,
        processors: f64::from(options.processors),
    };
    let bill = bill(&load);
    if options.json {
        say!("{}", serde_json::to_string(&bill)?)?;
    } else {
        crate::output::print(&text(&load, &bill))?;
    }
    Ok(())
}

fn text(load: &CostLoad, bill: &Bill) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes all text");
    line(format!(
        "{} events/s of {} bytes from {} customers, compressed {:.2} to 1, records cut every {} ms",
        load.events_per_s,
        load.event_bytes,
        load.customers,
        bill.compression,
        load.cycle_s * 1000.0
    ));
    line(format!(
        "  {:.1} events a batch, {:.0} batches/s, {:.0} records/s of {:.1} KB, {} shards, {:.0} webhooks/s",
        bill.events_per_batch,
        bill.batches_per_s,
        bill.records_per_s,
        bill.record_kb,
        bill.shards,
        bill.webhooks_per_s
    ));
    line(format!("\n{:<44} {:>14} {:>12} {:>12}", "", "a second", "USD each M", "USD/M events"));
    for (title, rows) in [("Sluice", &bill.lines), ("The classic design, per event", &bill.classic_lines)] {
        line(format!("{title}:"));
        for row in rows {
            line(format!(
                "  {:<42} {:>14.2} {:>12.4} {:>12.5}",
                row.what, row.per_s, row.usd_per_million, row.usd_per_million_events
            ));
        }
    }
    line(format!("\nSluice   {:>8.4} USD a million events", bill.usd_per_million_events));
    line(format!("classic  {:>8.4} USD a million events", bill.classic_usd_per_million_events));
    line(format!("\n{}", model::SOURCES));
    out
}
