//! The queue beyond its contract: long waits, dead letters that are moved back, messages
//! that no process can work.

use super::contract::events;
use crate::AwsConfig;
use crate::Clients;
use crate::queue::SqsQueue;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use sluice_model::clock;
use sluice_model::{DeadLetter, DeadLetterId, DeadLetterReason, Delivery, Lane, LastAttempt, SubscriptionId};
use sluice_ports::event_store::DeadLetterQuery;
use sluice_ports::sample::{self, Batches};
use sluice_ports::work_queue::TakeRequest;
use sluice_ports::{EventStore, WorkQueue};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(90);

struct Queues {
    clients: Clients,
    config: AwsConfig,
    queue: SqsQueue,
    events: Arc<crate::events::DynamoEvents>,
}

impl Queues {
    async fn new(change: impl FnOnce(AwsConfig) -> AwsConfig) -> Self {
        let config = change(super::config());
        let clients = Clients::new(&config).await;
        crate::provision::provision(&clients, &config, Some(1)).await.unwrap();
        let events = events(&clients, &config).await;
        let queue = SqsQueue::open(&clients, &config, events.clone()).await.unwrap();
        Self { clients, config, queue, events }
    }

    async fn take(&self, blocked: &HashSet<SubscriptionId>) -> Vec<Delivery> {
        let request = TakeRequest { now_ms: clock::now_ms(), max: 100, max_per_subscription: 100, blocked };
        self.queue.take(request).await.unwrap()
    }

    /// Takes until something comes.
    async fn next(&self) -> Delivery {
        let none = HashSet::new();
        let wait = async {
            loop {
                if let Some(one) = self.take(&none).await.pop() {
                    return one;
                }
            }
        };
        tokio::time::timeout(WAIT, wait).await.expect("something is given out")
    }

    async fn url(&self, name: &str) -> String {
        self.clients.sqs.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap()
    }

    /// Receives one message directly from SQS.
    async fn receive(&self, name: &str) -> aws_sdk_sqs::types::Message {
        let url = self.url(name).await;
        let wait = async {
            loop {
                let request = self.clients.sqs.receive_message().queue_url(&url).wait_time_seconds(1);
                let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
                if let Some(one) = request.send().await.unwrap().messages.unwrap_or_default().pop() {
                    return one;
                }
            }
        };
        tokio::time::timeout(WAIT, wait).await.expect("a message comes")
    }

    async fn send(&self, name: &str, body: &str) {
        let url = self.url(name).await;
        self.clients.sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }

    /// Takes until no message is left, visible or not; nothing may be given out.
    async fn takes_nothing(&self) {
        let (url, none) = (self.url(&self.config.queue).await, HashSet::new());
        let wait = async {
            loop {
                assert_eq!(self.take(&none).await, []);
                let request = self.clients.sqs.get_queue_attributes().queue_url(&url);
                let names = [
                    QueueAttributeName::ApproximateNumberOfMessages,
                    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                    QueueAttributeName::ApproximateNumberOfMessagesDelayed,
                ];
                let request = request.set_attribute_names(Some(names.to_vec()));
                let counts = request.send().await.unwrap().attributes.unwrap_or_default();
                if counts.values().all(|count| count == "0") {
                    return;
                }
            }
        };
        tokio::time::timeout(WAIT, wait).await.expect("all messages are worked");
    }
}

fn delivery(subscription: u128, due_ms: u64) -> Delivery {
    let batch = Batches::new(Lane::new(1).unwrap()).next(5, 10);
    sample::delivery(&batch, SubscriptionId::from_u128(subscription), 2, due_ms)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_wait_longer_than_a_message_can_be_delayed_is_several_messages() {
    let queues = Queues::new(|config| AwsConfig { delay_s_max: 1, ..config }).await;
    let due_ms = clock::now_ms() + 4000;
    let sent = delivery(1, due_ms);
    queues.queue.put(vec![sent.clone()]).await.unwrap();
    let taken = queues.next().await;
    assert!(clock::now_ms() + 100 >= due_ms, "not before its time");
    assert_eq!(taken, sent);
    queues.queue.done(vec![(taken.subscription, taken.id)]).await.unwrap();
    queues.takes_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_dead_letter_that_aws_moves_back_is_delivered_once_if_its_row_is_still_there() {
    let queues = Queues::new(|config| config).await;
    let dead = Delivery {
        attempts: 6,
        last: LastAttempt { status: Some(500), ..LastAttempt::default() },
        ..delivery(2, 5)
    };
    let letter = |n: u64| DeadLetter {
        id: DeadLetterId::new(clock::now_ms() + n),
        reason: DeadLetterReason::Exhausted,
        delivery: dead.clone(),
    };
    let (kept, deleted) = (letter(0), letter(1));
    let customer = dead.customer;
    queues.events.put_dead_letters(vec![kept.clone()]).await.unwrap();
    let carried = queues.receive(&queues.config.dead_letter_queue).await;
    let group =
        carried.attributes.as_ref().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
    assert_eq!(group, Some(&dead.subscription.to_string()), "fair over subscriptions");
    let moved = carried.body.unwrap();

    // As StartMessageMoveTask does: the same body, in the queue that it came from.
    queues.send(&queues.config.queue, &moved).await;
    queues.send(&queues.config.queue, &moved).await;
    let again = queues.next().await;
    assert_eq!((again.attempts, &again.events), (0, &dead.events), "its attempts start anew");
    assert_eq!(
        queues
            .events
            .dead_letters(customer, DeadLetterQuery { limit: 10, ..DeadLetterQuery::default() })
            .await
            .unwrap(),
        []
    );
    queues.queue.done(vec![(again.subscription, again.id)]).await.unwrap();
    queues.takes_nothing().await;

    // Redriven or deleted by our API before AWS moves the message: the row is the truth.
    queues.events.put_dead_letters(vec![deleted.clone()]).await.unwrap();
    queues.events.delete_dead_letters(customer, vec![deleted.id]).await.unwrap();
    let late = loop {
        let body = queues.receive(&queues.config.dead_letter_queue).await.body.unwrap();
        if body.contains(&deleted.id.to_string()) {
            break body;
        }
    };
    queues.send(&queues.config.queue, &late).await;
    queues.takes_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn an_unworkable_message_goes_to_the_dead_letters_by_the_queue_s_own_policy() {
    let queues = Queues::new(|config| AwsConfig { receives_max: 4, ..config }).await;
    let waits = delivery(3, 5);
    let blocked = HashSet::from([waits.subscription]);
    queues.queue.put(vec![waits.clone()]).await.unwrap();
    queues.send(&queues.config.queue, "no delivery of ours").await;
    let url = queues.url(&queues.config.dead_letter_queue).await;
    let wait = async {
        loop {
            assert_eq!(queues.take(&blocked).await, []);
            let asked = queues.clients.sqs.receive_message().queue_url(&url).send().await.unwrap();
            if let Some(dead) = asked.messages.unwrap_or_default().pop() {
                return dead;
            }
        }
    };
    let dead = tokio::time::timeout(WAIT, wait).await.expect("it is moved");
    assert_eq!(dead.body.as_deref(), Some("no delivery of ours"));
    // A delivery that only waited for its endpoint as long was sent anew, and is still there.
    let taken = queues.next().await;
    assert_eq!((taken.id, &taken.events), (waits.id, &waits.events));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_delivery_that_nobody_ends_is_a_dead_letter_with_a_row() {
    let queues = Queues::new(|config| AwsConfig { receives_max: 4, ..config }).await;
    let sent = delivery(4, 5);
    queues.queue.put(vec![sent.clone()]).await.unwrap();
    let url = queues.url(&queues.config.queue).await;
    let mut deaths = 0;
    let dying = async {
        // Other processes take it and die, and it comes back.
        while deaths < 2 {
            let request = queues.clients.sqs.receive_message().queue_url(&url).visibility_timeout(0);
            deaths += request.send().await.unwrap().messages.unwrap_or_default().len();
        }
    };
    tokio::time::timeout(WAIT, dying).await.expect("it comes");
    let none = HashSet::new();
    let giving_up = async {
        loop {
            assert_eq!(queues.take(&none).await, []);
            if let Some(given_up) = queues.queue.take_given_up().pop() {
                return given_up;
            }
        }
    };
    let given_up = tokio::time::timeout(WAIT, giving_up).await.expect("it is given up");
    assert_eq!((given_up.id, &given_up.events), (sent.id, &sent.events));
    // The dead letter exists before it is counted.
    let query = DeadLetterQuery { limit: 10, ..DeadLetterQuery::default() };
    let letters = queues.events.dead_letters(sent.customer, query).await.unwrap();
    let [letter] = &letters[..] else { panic!("one dead letter, not {letters:?}") };
    assert_eq!((letter.reason, &letter.delivery.events), (DeadLetterReason::Poison, &sent.events));
    queues.queue.done(vec![(sent.subscription, sent.id)]).await.unwrap();
    queues.takes_nothing().await;
    assert_eq!(queues.queue.take_given_up(), []);
    let carried = queues.receive(&queues.config.dead_letter_queue).await.body.unwrap();
    assert!(carried.contains(&letter.id.to_string()), "{carried}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn the_depth_of_both_queues_is_told() {
    let (config, clients) = super::provisioned(1).await;
    let depths = crate::queue::QueueDepths::open(&clients, &config).await.unwrap();
    assert_eq!((depths.deliveries().await.unwrap(), depths.dead_letters().await.unwrap()), (0, 0));
    for (queue, count) in [(&config.queue, 3), (&config.dead_letter_queue, 2)] {
        let url = clients.sqs.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
        for n in 0..count {
            // One waits for its time.
            let sent = clients.sqs.send_message().queue_url(&url).message_body("x").delay_seconds(n * 60);
            sent.send().await.unwrap();
        }
    }
    assert_eq!((depths.deliveries().await.unwrap(), depths.dead_letters().await.unwrap()), (3, 2));
}
