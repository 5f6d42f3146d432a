//! `sluice demo`: the whole pipeline at work on sample traffic, with its figures.
//!
//! There is one customer with four subscriptions: one endpoint takes everything, one
//! sometimes fails (retries), one refuses (dead letters), and one is the demo's
//! backend, which sends e-mails (`sluice_demo`). A sender posts events over HTTP.
//! Everything is as durable as in `sluice up`, in a data directory that is removed at
//! the end unless the user named one.

mod introduction;
mod sample;
mod scene;

use crate::cli::{Demo, Purpose};
use crate::config::Config;
use crate::process::stop_signal;
use crate::up::Sluice;
use anyhow::Context;
use sample::{DemoSample, SampleState};
use scene::Scene;
use sluice_catalogue::secrets::new_admin_token;
use sluice_demo::mail::{self, MailVia};
use sluice_demo::{
    AnswerMode, Backend, BackendConfig, DemoReceiver, ESCALATION_SELECTOR, KEEP, MailReceiver, Mailroom,
    ReceiverKind, WEBHOOK_PATH, new_code,
};
use sluice_traffic::receiver::{Receiver, ReceiverConfig, ReceiverHandle};
use sluice_traffic::sender::{self, LiveRun, RunConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

const EVENTS_A_REQUEST: usize = 10;
const EVENT_TYPES: [&str; 4] = ["order.created", "order.paid", "payment.captured", "refund.requested"];

/// An endpoint for the sample traffic, and how it behaves.
struct SampleEndpoint {
    name: &'static str,
    title: &'static str,
    selector: &'static str,
    answer: AnswerMode,
    receiver: Arc<ReceiverHandle>,
}

/// Runs the demo until its time is over or Ctrl-C.
pub(crate) async fn run(config: &Config, options: &Demo) -> anyhow::Result<()> {
    if let Some(kept) = &options.data_dir {
        return play(config, options, kept).await;
    }
    let data_dir = std::env::temp_dir().join(format!("sluice-demo-{}", std::process::id()));
    let outcome = play(config, options, &data_dir).await;
    std::fs::remove_dir_all(&data_dir)
        .with_context(|| format!("remove the demo's data in {}", data_dir.display()))
        .and(outcome)
}

/// The configuration with the demo's own choices.
fn demo_config(config: &Config, data_dir: &Path, admin_token: &str) -> Config {
    let mut config = config.clone();
    config.data_dir = data_dir.to_owned();
    config.ingest.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.ingest.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.ingest.environment = "demo".into();
    config.admin_token = Some(admin_token.into());
    config.ingest.cors_origins = vec!["*".into()];
    config.ingest.allow_private_webhooks = true;
    config.processor.guard.allow_private = true;
    // Sample data needs little room.
    config.engine.log_segment_bytes = 32 << 20;
    config.engine.state_segment_bytes = 8 << 20;
    config
}

async fn play(config: &Config, options: &Demo, data_dir: &Path) -> anyhow::Result<()> {
    let admin_token = new_admin_token();
    let config = demo_config(config, data_dir, &admin_token);
    let own_dir = data_dir.join("demo");
    let stop = stop_signal(&config)?;
    let sluice = Sluice::start(&config, Purpose::Service).await?;

    let mut state = SampleState::load(&own_dir)?;
    let endpoints = endpoints(&mut state)?;
    let mail_receiver = Arc::new(MailReceiver::new(&state.secret("mail")).context("the secret of mails")?);
    let mailer = mail::open(&config.demo.mail, &own_dir).context("the demo's mails")?;
    let mailroom =
        Mailroom::open(mailer, &own_dir, config.demo.mail.inbox_max).context("the demo's mails")?;
    let listen = options.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let backend = Backend::bind(listen).await?;
    let address = backend.address();

    let mut sample = DemoSample { directory: sluice.directory(), state };
    sample.customer(options.rate).await?;
    let mut receivers = Vec::new();
    for endpoint in &endpoints {
        let url = endpoint.receiver.url();
        let workflow_id =
            sample.subscribe(endpoint.name, endpoint.title, endpoint.selector, &url, None).await?;
        let kind = ReceiverKind::Traffic(endpoint.receiver.clone(), endpoint.answer.into());
        receivers.push(DemoReceiver { name: endpoint.name, title: endpoint.title, workflow_id, kind });
    }
    let (title, url) = ("e-mails the customer", format!("http://{address}{WEBHOOK_PATH}"));
    // One event a webhook, so each mail has its own answer and its own retries.
    let workflow_id = sample.subscribe("mail", title, ESCALATION_SELECTOR, &url, Some(1)).await?;
    receivers.push(DemoReceiver {
        name: "mail",
        title,
        workflow_id,
        kind: ReceiverKind::Mail(mail_receiver.clone()),
    });
    let key = sample.state.store(&own_dir)?;

    let code = new_code().context("random numbers")?;
    introduction::Introduction {
        sluice: &sluice,
        demo: address,
        key: &key,
        code: &code,
        admin_token: &admin_token,
        mail_goes_to_files: config.demo.mail.via == MailVia::Folder,
        data_dir: options.data_dir.as_deref(),
    }
    .print(options)?;
    let backend_stop = CancellationToken::new();
    let backend = tokio::spawn(backend.run(
        BackendConfig {
            sluice: sluice.address(),
            api_key: key.clone(),
            code,
            receivers,
            mail_receiver,
            mailroom,
        },
        backend_stop.clone(),
    ));

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
    let ended = scene.end().await;
    backend_stop.cancel();
    backend.await.context("the backend's task")?.context("the demo's backend")?;
    ended
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

fn endpoints(state: &mut SampleState) -> anyhow::Result<Vec<SampleEndpoint>> {
    [
        ("orders", "takes orders", r#"{"type":"event_type","value":"order.*"}"#, AnswerMode::Take),
        (
            "payments",
            "fails 1 in 10",
            r#"{"type":"event_type","value":"payment.captured"}"#,
            AnswerMode::Sometimes,
        ),
        ("refunds", "refuses all", r#"{"type":"event_type","value":"refund.requested"}"#, AnswerMode::Refuse),
    ]
    .into_iter()
    .map(|(name, title, selector, answer)| {
        let receiver = Receiver::start(ReceiverConfig {
            behaviour: answer.behaviour(),
            secrets: vec![state.secret(name)],
            keep: KEEP,
            ..ReceiverConfig::default()
        });
        let receiver = Arc::new(receiver.context("start a sample receiver")?);
        Ok(SampleEndpoint { name, title, selector, answer, receiver })
    })
    .collect()
}
