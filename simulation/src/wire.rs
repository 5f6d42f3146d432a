//! The endpoints: their answers, and the webhooks that they got.

use crate::plan::Conduct;
use crate::planted::Planted;
use crate::stores::subscription_id;
use crate::world::{World, sleep_ms};
use async_trait::async_trait;
use sluice_model::{CustomerId, EventId};
use sluice_processor::client::{Prepared, Reply, Wire};
use sluice_processor::outcome::{Fault, PostResult};
use sluice_processor::target::Target;
use std::sync::Arc;

/// The longest time of an attempt.
const TIMEOUT_MS: u64 = 2_000;

pub(crate) struct SimWire {
    pub(crate) world: Arc<World>,
}

#[derive(serde::Deserialize)]
struct PostedEnvelope {
    event_id: EventId,
    customer_id: CustomerId,
}

/// An endpoint's treatment of a webhook.
enum WebhookVerdict {
    Answer(u16),
    /// 200, naming this many events as failed.
    Part(usize),
    Hang,
    /// It takes the webhook, but its answer is lost.
    Mute,
    /// It takes nothing, and the connection breaks.
    Break,
}

impl SimWire {
    fn verdict(&self, n: usize, roll: u64) -> WebhookVerdict {
        let now_ms = self.world.now_ms();
        match self.world.plan.subscriptions[n].conduct {
            Conduct::Good => WebhookVerdict::Answer(200),
            Conduct::Gone { from_ms } if now_ms >= from_ms => WebhookVerdict::Answer(410),
            Conduct::Gone { .. } => WebhookVerdict::Answer(204),
            Conduct::Refusing => WebhookVerdict::Answer(if roll.is_multiple_of(4) { 400 } else { 202 }),
            Conduct::Away { from_ms, until_ms } if (from_ms..until_ms).contains(&now_ms) => {
                if roll.is_multiple_of(2) { WebhookVerdict::Break } else { WebhookVerdict::Answer(503) }
            }
            Conduct::Away { .. } => WebhookVerdict::Answer(200),
            Conduct::Flaky if self.world.is_quiet() => WebhookVerdict::Answer(200),
            Conduct::Flaky => match roll % 10 {
                0 => WebhookVerdict::Answer(500),
                1 => WebhookVerdict::Answer(429),
                2 => WebhookVerdict::Hang,
                3 => WebhookVerdict::Mute,
                4 => WebhookVerdict::Break,
                5 | 6 => WebhookVerdict::Part(1 + (roll >> 20) as usize % 3),
                _ => WebhookVerdict::Answer(200),
            },
        }
    }

    /// A webhook arrives and is judged.
    async fn arrive(&self, n: usize, attempt: u32, ids: Vec<(EventId, CustomerId)>) -> Reply {
        let world = &self.world;
        let roll = world.roll("endpoint", n as u64) >> 8;
        world.tell(|| format!("webhook to {n}, attempt {attempt}, {} events from {}", ids.len(), ids[0].0));
        world.ledger.lock().posted(world, n, attempt, &ids);
        if let Some(cell) = &world.cell {
            cell.posts(n, &ids);
        }
        let good = world.plan.subscriptions[n].conduct == Conduct::Good;
        sleep_ms(1 + roll % if good { 3 } else { 20 }).await;
        let all = || ids.iter().map(|(id, _)| *id);
        let status = |code| Reply {
            result: PostResult::Answered { code, retry_after: None },
            failed: Vec::new(),
            error: None,
            excerpt: String::new(),
        };
        match self.verdict(n, roll >> 10) {
            WebhookVerdict::Answer(code) => {
                if code == 410 {
                    world.ledger.lock().gone(world, n);
                }
                if (200..300).contains(&code) {
                    world.ledger.lock().took(n, all());
                }
                status(code)
            }
            WebhookVerdict::Part(count) => {
                let failed: Vec<EventId> = all().step_by(count + 1).collect();
                world.ledger.lock().took(n, all().filter(|id| !failed.contains(id)));
                Reply { failed, ..status(200) }
            }
            WebhookVerdict::Hang => {
                sleep_ms(TIMEOUT_MS).await;
                Reply::fault(Fault::Timeout, "simulated")
            }
            WebhookVerdict::Mute => {
                world.ledger.lock().took(n, all());
                Reply::fault(Fault::Broken, "simulated")
            }
            WebhookVerdict::Break => Reply::fault(Fault::Broken, "simulated"),
        }
    }
}

#[async_trait]
impl Wire for SimWire {
    async fn post(&self, target: &Target, webhook: Prepared) -> Reply {
        let n = (0..self.world.plan.subscriptions.len()).find(|n| subscription_id(*n) == target.id());
        let body = webhook.chunks().concat();
        let parsed = serde_json::from_slice::<Vec<PostedEnvelope>>(&body);
        let (Some(n), Ok(events)) = (n, parsed) else {
            self.world.broken("a webhook is a JSON array of events", &String::from_utf8_lossy(&body));
            return Reply::fault(Fault::Broken, "not a webhook");
        };
        let header =
            |name: &str| webhook.headers().get(name).and_then(|value| value.to_str().ok()?.parse().ok());
        let ids: Vec<_> = events.into_iter().map(|event| (event.event_id, event.customer_id)).collect();
        if header("sluice-event-count") != Some(ids.len() as u32) || ids.is_empty() {
            self.world.broken("a webhook says how many events it has", &format!("{}", ids.len()));
        }
        let attempt = header("sluice-attempt").unwrap_or(0);
        if self.world.planted == Some(Planted::HeldAttempt) && self.world.roll("hold", n as u64) % 8 < 2 {
            // The planted fault: it reports success, and sends by itself later.
            let wire = Self { world: Arc::clone(&self.world) };
            tokio::spawn(async move {
                sleep_ms(300).await;
                wire.arrive(n, attempt, ids).await;
            });
            return Reply {
                result: PostResult::Answered { code: 200, retry_after: None },
                failed: Vec::new(),
                error: None,
                excerpt: String::new(),
            };
        }
        self.arrive(n, attempt, ids).await
    }
}
