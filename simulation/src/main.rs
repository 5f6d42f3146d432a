//! Runs ingest processes and processors of the distributed engine over simulated services that fail, in
//! simulated time, one seed after the other, and judges the runs by the promises of the design.
//!
//! Each seed runs in a process of its own, so that it does not depend on earlier seeds, and can be
//! ended if it is stuck.

mod cells;
mod dice;
mod entropy;
mod ingest;
mod ledger;
mod measure;
mod operator;
mod plan;
mod planted;
mod process;
mod reader;
mod run;
mod seeds;
mod stores;
mod stream;
mod table;
mod watch;
mod wire;
mod worker;
mod world;

use clap::Parser;
use planted::Planted;
use std::process::ExitCode;

/// Simulates the distributed engine under faults, from seeds.
#[derive(Debug, Parser)]
#[command(name = "sluice-simulation", version)]
struct Arguments {
    /// The number of seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The number of seeds that run at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Runs two cells, which are cut off, away, and lost, instead of one deployment.
    #[arg(long)]
    cells: bool,
    /// Plants a fault: the run succeeds when one of the seeds finds it.
    #[arg(long, value_enum)]
    planted: Option<Planted>,
    /// Counts the requests of a load of single 1 KB events to the services, without faults.
    #[arg(long, value_name = "EVENTS_PER_S:CUSTOMERS", value_parser = measure::Load::parse)]
    measure: Vec<measure::Load>,
    /// Runs this one seed and prints its whole trace.
    #[arg(long)]
    one: Option<u64>,
}

#[expect(clippy::print_stdout, reason = "saying what was found is the program's work")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.measure.is_empty() {
        let fine = arguments.measure.iter().all(|load| measure::measure(*load));
        return if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.planted.is_some_and(|planted| planted.is_of_cells() && !arguments.cells) {
        println!("this fault can only be planted in --cells");
        return ExitCode::FAILURE;
    }
    let Some(seed) = arguments.one else { return seeds::all(&arguments) };
    let outcome = match arguments.cells {
        true => cells::run(seed, arguments.planted),
        false => run::run(seed, arguments.planted),
    };
    for line in &outcome.trace {
        println!("{line}");
    }
    let report = serde_json::json!({
        "seed": seed, "broken": outcome.broken, "counts": outcome.counts,
        "digest": format!("{:016x}", outcome.digest),
    });
    println!("{report}");
    if outcome.broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
