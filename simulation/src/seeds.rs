//! Running many seeds, each in a process of its own.

use crate::Arguments;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A seed that takes longer than this is stuck.
const STUCK: Duration = Duration::from_secs(120);
/// How many of the last lines of a trace are printed.
const TRACE_LINES: usize = 400;

/// Counts whose names end with this text are not summed: the largest of all seeds is kept.
const MOST: &str = "at the most";

#[derive(serde::Deserialize)]
struct Report {
    broken: Option<String>,
    counts: BTreeMap<String, u64>,
}

/// Runs one seed in another process. Returns its output, or `None` if it is stuck.
fn run_one(seed: u64, arguments: &Arguments) -> std::io::Result<Option<String>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--one", &seed.to_string()]);
    if arguments.cells {
        command.arg("--cells");
    }
    if let Some(planted) = arguments.planted {
        use clap::ValueEnum as _;
        let name = planted.to_possible_value().map(|value| value.get_name().to_owned());
        command.args(["--planted", &name.unwrap_or_default()]);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut output = child.stdout.take();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        output.as_mut().map_or(Ok(0), |output| output.read_to_string(&mut text)).map(|_| text)
    });
    let began = Instant::now();
    let mut stuck = false;
    while child.try_wait()?.is_none() {
        if began.elapsed() > STUCK {
            stuck = true;
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let text = reading.join().unwrap_or_else(|_| Ok(String::new()))?;
    Ok((!stuck).then_some(text))
}

/// Runs all seeds, and prints what was found.
#[expect(clippy::print_stdout, reason = "saying what was found is the program's work")]
pub(crate) fn all(arguments: &Arguments) -> ExitCode {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let found = AtomicBool::new(false);
    let sums = Mutex::new((0u64, BTreeMap::<String, u64>::new()));
    let work = || {
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let text = match run_one(seed, arguments) {
                Ok(Some(text)) => text,
                Ok(None) => format!("seed {seed} did not end within {STUCK:?}"),
                Err(error) => format!("seed {seed} could not be run: {error}"),
            };
            let report = text.lines().last().and_then(|line| serde_json::from_str::<Report>(line).ok());
            let mut sums = sums.lock();
            match report {
                Some(Report { broken: None, counts }) => {
                    sums.0 += 1;
                    for (name, count) in counts {
                        let is_most = name.ends_with(MOST);
                        let sum = sums.1.entry(name).or_default();
                        *sum = if is_most { count.max(*sum) } else { *sum + count };
                    }
                }
                broken => {
                    if !found.swap(true, Ordering::Relaxed) {
                        tell(seed, arguments, &text, broken.and_then(|report| report.broken));
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| (0..arguments.jobs.max(1)).for_each(|_| drop(scope.spawn(work))));
    let (kept, counts) = &*sums.lock();
    println!("{kept} seeds kept every promise");
    let mut most: Vec<_> = counts.iter().collect();
    most.sort();
    println!("{}", most.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", "));
    // With a planted fault, not finding it is the failure.
    if found.load(Ordering::Relaxed) == arguments.planted.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "saying what was found is the program's work")]
fn tell(seed: u64, arguments: &Arguments, text: &str, broken: Option<String>) {
    let lines: Vec<&str> = text.lines().collect();
    if arguments.planted.is_none() {
        let skipped = lines.len().saturating_sub(TRACE_LINES);
        let cells = if arguments.cells { "--cells " } else { "" };
        println!("… {skipped} lines before; all of them: sluice-simulation {cells}--one {seed}");
        lines.iter().skip(skipped).for_each(|line| println!("{line}"));
    }
    println!("seed {seed}: {}", broken.unwrap_or_else(|| "it died, or is stuck".into()));
}
