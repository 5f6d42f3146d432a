//! End to end: the real binary, over real sockets, with real receivers.
//!
//! Each module has one subject. The parts that they share (servers that can be killed
//! and restarted, HTTP, receivers, traffic with ledgers) are in [`harness`].
//!
//! Settings, all optional:
//!
//! | variable | meaning |
//! |---|---|
//! | `SLUICE_TEST_SEED` | repeats a run's random choices; each test prints the seed it used |
//! | `SLUICE_TEST_KILLS` | how often the crash test kills the server |
//! | `SLUICE_TEST_DAMAGE` | `all`: damage every file in every way, not each in one way; any other value: damage only files whose path contains it |
//! | `SLUICE_TEST_NODE_MODULES`, `SLUICE_TEST_PYTHON` | directories of third-party libraries; `tests/run` sets them |

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed check is a panic, and a test tells what it saw"
)]

mod audit;
mod backup;
mod clients;
mod command_line;
mod control;
mod crash;
mod damage;
mod demo;
mod disk;
mod disk_faults;
mod documents;
mod emf;
mod endpoint_options;
mod event_types;
mod first_webhook;
mod harness;
mod healthcheck;
mod hostile;
mod idempotency;
mod isolation;
mod lifecycle;
mod metrics;
mod operators;
mod ordered;
#[cfg(feature = "otel")]
mod otlp;
mod outcomes;
mod private_files;
mod product_events;
mod reading;
mod real_events;
mod shapes;
mod tls;
mod trace_context;
mod usage;
