//! `sluice demo`: the whole pipeline at work on sample traffic, with its figures.
//!
//! One customer, four subscriptions, three endpoints: one takes everything, one
//! fails now and then (retries), one refuses (dead letters). A sender posts
//! events over HTTP; everything is as durable as in `sluice up`, in a data
//! directory that is removed at the end.

use crate::cli::{Demo, Purpose};
use crate::config::Config;
use crate::process::stop_signal;
use crate::up::Sluice;
use anyhow::Context;
use sluice_catalogue::secrets::{KeyMode, new_admin_token, new_api_key, new_signing_secret};
use sluice_model::clock;
use sluice_model::{
    ApiKey, ApiKeyId, BatchPolicy, Customer, CustomerId, CustomerStatus, RetryPolicy, Scopes,
    SignatureScheme, Subscription, SubscriptionId, SubscriptionStatus, subscription::SigningSecret,
};
use sluice_ports::{EventStore, WorkQueue};
use sluice_traffic::receiver::{
    Behaviour, Receiver, ReceiverConfig, ReceiverHandle, ReceiverReply, ReceiverStats,
};
use sluice_traffic::sender::{self, LiveCounters, LiveRun, RunConfig};
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
#[cfg(feature = "console")]
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const EVENTS_A_REQUEST: usize = 10;
const EVENT_TYPES: [&str; 4] = ["order.created", "order.paid", "payment.captured", "refund.requested"];
/// How often the figures move.
const TICK: Duration = Duration::from_secs(1);
/// How long the end waits for what is under way.
const SETTLE: Duration = Duration::from_secs(10);

/// An endpoint of the sample customer, and what it is to show.
struct SampleEndpoint {
    name: &'static str,
    selector: &'static str,
    receiver: ReceiverHandle,
}

struct Scene {
    sluice: Sluice,
    endpoints: Vec<SampleEndpoint>,
    live: Arc<LiveRun>,
    started: Instant,
    stop: CancellationToken,
}

/// Runs the demo until its time is over or Ctrl-C.
pub(crate) async fn run(config: &Config, options: &Demo) -> anyhow::Result<()> {
    let data_dir = std::env::temp_dir().join(format!("sluice-demo-{}", std::process::id()));
    let outcome = play(config, options, &data_dir).await;
    std::fs::remove_dir_all(&data_dir)
        .with_context(|| format!("remove the demo's data in {}", data_dir.display()))
        .and(outcome)
}

async fn play(config: &Config, options: &Demo, data_dir: &std::path::Path) -> anyhow::Result<()> {
    let mut config = config.clone();
    config.data_dir = data_dir.to_owned();
    config.edge.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.edge.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.edge.environment = "demo".into();
    let admin_token = new_admin_token();
    config.admin_token = Some(admin_token.clone());
    config.edge.cors_origins = vec!["*".into()];
    config.edge.allow_private_webhooks = true;
    config.processor.guard.allow_private = true;
    // Sample data needs little room.
    config.engine.log_segment_bytes = 32 << 20;
    config.engine.state_segment_bytes = 8 << 20;

    let stop = stop_signal(&config)?;
    let sluice = Sluice::start(&config, Purpose::Service).await?;
    let endpoints = endpoints()?;
    let key = sample_customer(&sluice, &endpoints, options.rate).await?;
    introduce(&sluice, &key, options);
    #[cfg(feature = "console")]
    show_console(&sluice, &key, &admin_token, options.web);

    let scene =
        Scene { sluice, endpoints, live: Arc::new(LiveRun::default()), started: Instant::now(), stop };
    let sender_stop = scene.stop.child_token();
    let sender = tokio::spawn(sender::run(
        sender_config(&scene.sluice, key, options.rate),
        scene.live.clone(),
        sender_stop.clone(),
    ));
    scene.show_until(options.for_time).await?;
    sender_stop.cancel();
    sender.await.context("the sender's task")?.context("the sender")?;
    scene.end().await
}

fn sender_config(sluice: &Sluice, key: String, rate: u32) -> RunConfig {
    RunConfig {
        keys: vec![key],
        connections: 4,
        batch: EVENTS_A_REQUEST,
        rate: Some(f64::from(rate.max(1))),
        event_types: EVENT_TYPES.map(Into::into).to_vec(),
        ..RunConfig::new(format!("http://{}", sluice.address()))
    }
}

fn endpoints() -> anyhow::Result<Vec<SampleEndpoint>> {
    let flaky = Behaviour { fail_share: 0.1, fail_reply: ReceiverReply::Status(500), ..Behaviour::default() };
    [
        ("takes orders", r#"{"type":"event_type","value":"order.*"}"#, Behaviour::default()),
        ("fails 1 in 10", r#"{"type":"event_type","value":"payment.captured"}"#, flaky),
        ("refuses all", r#"{"type":"event_type","value":"refund.requested"}"#, Behaviour::status(400)),
    ]
    .into_iter()
    .map(|(name, selector, behaviour)| {
        let receiver = Receiver::start(ReceiverConfig { behaviour, ..ReceiverConfig::default() });
        Ok(SampleEndpoint { name, selector, receiver: receiver.context("start a sample receiver")? })
    })
    .collect()
}

/// Makes the customer, its key and its subscriptions; gives the key.
async fn sample_customer(sluice: &Sluice, endpoints: &[SampleEndpoint], rate: u32) -> anyhow::Result<String> {
    let now = clock::now_ms();
    let customer = Customer {
        id: CustomerId::new(now),
        name: "Sample shop".into(),
        email: None,
        status: CustomerStatus::Active,
        rate_limit_per_second: rate.saturating_mul(2).max(1000),
        fan_out: 1,
        fan_out_ever: 1,
        created_at_ms: now,
        updated_at_ms: now,
    };
    let directory = sluice.directory();
    directory.put_customer(&customer).await.context("make the sample customer")?;
    let new = new_api_key(KeyMode::Test);
    let key = ApiKey {
        id: ApiKeyId::new(now),
        customer: customer.id,
        hash: new.hash,
        hint: new.hint,
        created_at_ms: now,
        expires_at_ms: None,
        revoked_at_ms: None,
        scopes: Scopes::ALL,
    };
    directory.put_key(&key).await.context("make the sample key")?;
    for endpoint in endpoints {
        let subscription = Subscription {
            id: SubscriptionId::new(now),
            customer: customer.id,
            version: 1,
            selector: endpoint.selector.into(),
            webhook_url: endpoint.receiver.url(),
            batch: BatchPolicy::default(),
            retry: RetryPolicy::default(),
            ordered: false,
            description: Some(endpoint.name.into()),
            status: SubscriptionStatus::Active,
            secrets: vec![SigningSecret {
                text: new_signing_secret(SignatureScheme::V1),
                expires_at_ms: None,
            }],
            headers: Vec::new(),
            rate_limit_per_second: None,
            shape: Default::default(),
            effective_at_ms: now,
            created_at_ms: now,
            updated_at_ms: now,
        };
        directory.activate(subscription).await.context("make a sample subscription")?;
    }
    Ok(new.text)
}

#[expect(clippy::print_stdout, reason = "the demo's work is to be seen")]
fn introduce(sluice: &Sluice, key: &str, options: &Demo) {
    println!("Sluice demo: one process, durable, nothing else installed.");
    println!("  API      http://{}   admin http://{}", sluice.address(), sluice.admin_address());
    println!("  metrics  http://{}/metrics", sluice.address());
    println!(
        "  try it   curl -s http://{}/v1/inbox?limit=1 -H 'Authorization: Bearer {key}'",
        sluice.address()
    );
    println!(
        "  traffic  {} events/s of {} types, {EVENTS_A_REQUEST} a request; webhooks of up to 100 events",
        options.rate,
        EVENT_TYPES.len()
    );
    println!("  each second: accepted, delivered to webhooks, retried, dead-lettered. Ctrl-C ends it.\n");
}

/// Says where the console is and what opens it, and has a browser show it if asked to.
/// The key is never a part of the address: a browser would keep it.
#[cfg(feature = "console")]
#[expect(clippy::print_stdout, reason = "the demo's work is to be seen")]
fn show_console(sluice: &Sluice, key: &str, admin_token: &str, open: bool) {
    let address = format!("http://{}/console/", sluice.address());
    println!("  console  {address}   sign in with the key {key}");
    println!("           http://{}/console/   for operators: {admin_token}\n", sluice.admin_address());
    if !open {
        return;
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = tokio::process::Command::new(opener)
        .arg(&address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = opened {
        println!("  {opener} cannot be run ({error}): open {address} yourself.\n");
    }
}

impl Scene {
    async fn show_until(&self, for_time: Option<Duration>) -> anyhow::Result<()> {
        let end = for_time.map(|time| self.started + time);
        let mut last = (Instant::now(), LiveCounters::default(), 0);
        let mut drawn = 0;
        loop {
            let next = tokio::time::Instant::now() + TICK;
            // Cancel safe: both are waits.
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(next) => {}
            }
            let (now, counters) = (Instant::now(), self.live.counters());
            let delivered: u64 = self.stats().iter().map(|stats| stats.events).sum();
            let seconds = (now - last.0).as_secs_f64();
            let rate = |count: u64| count as f64 / seconds;
            let lines = self.lines(
                rate(counters.events_accepted - last.1.events_accepted),
                rate(delivered.saturating_sub(last.2)),
                &counters,
            );
            draw(&lines, &mut drawn)?;
            last = (now, counters, delivered);
            if end.is_some_and(|end| now >= end) {
                return Ok(());
            }
        }
    }

    fn stats(&self) -> Vec<ReceiverStats> {
        self.endpoints.iter().map(|endpoint| endpoint.receiver.stats()).collect()
    }

    fn lines(&self, accepted_rate: f64, delivered_rate: f64, counters: &LiveCounters) -> Vec<String> {
        let latency = self.live.take_recent_latency();
        let waiting = self.sluice.queue().total();
        let mut lines = vec![format!(
            "{:>4.0} s  accepted {:>8} ({accepted_rate:>6.0}/s, p50 {:.1} ms, p99 {:.1} ms to 202)   delivered {delivered_rate:>6.0}/s   retrying {:>5} events   dead letters {:>4}",
            self.started.elapsed().as_secs_f64(),
            counters.events_accepted,
            latency.p50 as f64 / 1000.0,
            latency.p99 as f64 / 1000.0,
            waiting.events,
            self.sluice.events().dead_letter_count(),
        )];
        for (endpoint, stats) in self.endpoints.iter().zip(self.stats()) {
            let taken = match stats.deliveries {
                0 => "nothing taken".to_owned(),
                taken => format!(
                    "{:>8} events in {taken:>6} webhooks ({:>5.1} each), p99 {:>6.1} ms from event to receipt",
                    stats.events,
                    stats.events as f64 / taken as f64,
                    stats.latency_us.p99 as f64 / 1000.0,
                ),
            };
            lines.push(format!(
                "        {:<14} {:>5} refused, {taken}",
                endpoint.name, stats.deliveries_refused
            ));
        }
        lines
    }

    /// Waits for what is under way, sums up, and ends the pipeline.
    async fn end(self) -> anyhow::Result<()> {
        let accepted = self.live.counters().events_accepted;
        let done = async {
            // What is on its way from one place to the other is in neither: look twice.
            let mut looks = 0;
            while looks < 2 {
                looks = if self.is_settled() { looks + 1 } else { 0 };
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let settled = tokio::time::timeout(SETTLE, done).await.is_ok();
        self.sum_up(accepted, settled);
        self.sluice.stop().await
    }

    /// Whether nothing is on its way to an endpoint, and nothing waits for a retry.
    fn is_settled(&self) -> bool {
        self.sluice.unsettled() == 0 && self.sluice.queue().total().events == 0
    }

    #[expect(clippy::print_stdout, reason = "the demo's work is to be seen")]
    fn sum_up(&self, accepted: u64, settled: bool) {
        let stats = self.stats();
        let sum = |count: fn(&ReceiverStats) -> u64| stats.iter().map(count).sum::<u64>();
        println!(
            "\n{accepted} events accepted; {} delivered in {} webhooks, {} attempts refused, {} duplicates, {} dead letters{}.",
            sum(|s| s.events),
            sum(|s| s.deliveries),
            sum(|s| s.deliveries_refused),
            sum(|s| s.duplicates_same_delivery + s.duplicates_other_delivery),
            self.sluice.events().dead_letter_count(),
            if settled { "" } else { "; some are still waiting for their retry" },
        );
        println!("Next: `sluice up --help`, and the README's first webhook with curl.");
    }
}

/// Draws over what was drawn before on a terminal; elsewhere a line a second.
fn draw(lines: &[String], drawn: &mut usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        if *drawn > 0 {
            write!(out, "\x1b[{drawn}A")?;
        }
        for line in lines {
            writeln!(out, "\x1b[2K{line}")?;
        }
        *drawn = lines.len();
    } else {
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}
