use super::*;
use crate::config::MatchingConfig;
use crate::testing::{RecordingStores, batch, batch_id, customer, endpoints, subscription};
use proptest::prelude::*;
use sluice_catalogue::directory::DirectorySettings;
use sluice_model::{Batch, EventSet};
use sluice_selector::MatchScratch;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const CUSTOMER: CustomerId = CustomerId::from_u128(1);
const TYPES: [&str; 4] = ["", "order.created", "order.paid", "user.created"];

fn selectors() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        r#"{"type":"event_type","value":"*"}"#,
        r#"{"type":"event_type","value":"order.*"}"#,
        r#"{"type":"event_type","value":"user.created"}"#,
        r#"{"type":"jsonpath","expression":"$[?@.x > 4]"}"#,
        r#"{"type":"custom","function":{"field":"n","operator":"greater_than","value":4}}"#,
        r#"{"type":"all","of":[{"type":"event_type","value":"order.*"},{"type":"custom","function":{"field":"n","operator":"less_than","value":3}}]}"#,
    ])
    .prop_map(Into::into)
}

async fn matchers(selectors: &[String], effective_at_ms: &[u64]) -> (RecordingStores, Matchers) {
    let memory = RecordingStores::default();
    memory.set_customer(customer());
    for (n, selector) in selectors.iter().enumerate() {
        let mut subscription = subscription(n as u128);
        subscription.selector = selector.clone();
        subscription.effective_at_ms = effective_at_ms.get(n).copied().unwrap_or(0);
        memory.set_subscription(subscription);
    }
    let (directory, refresher) =
        Directory::load(memory.stores().catalogue, DirectorySettings::default()).await.unwrap();
    tokio::spawn(refresher.run(CancellationToken::new()));
    (memory, Matchers::new(directory, endpoints()))
}

fn events(kinds: &[(usize, u8)]) -> Vec<(&'static str, String)> {
    kinds
        .iter()
        .map(|(kind, n)| (TYPES[*kind], format!(r#"{{"event_id":"x","payload":{{"n":{n}}}}}"#)))
        .collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn tools() -> MatchingTools {
    MatchingTools::new(MatchingConfig::default().limits())
}

fn matches(matcher: &CustomerMatcher, batch: &Batch) -> Vec<Match> {
    let mut matching = matcher.begin(batch);
    let progress = matcher.advance_within(batch, &mut matching, &mut tools(), u32::MAX);
    assert_eq!(progress, MatchingProgress::Done);
    matching.into_matches()
}

/// Matches in turns of `steps` steps.
fn matches_in_turns(matcher: &CustomerMatcher, batch: &Batch, steps: u32) -> Vec<Match> {
    let (mut matching, mut tools) = (matcher.begin(batch), tools());
    while matcher.advance_some(batch, &mut matching, &mut tools, steps) == MatchingProgress::Paused {}
    matching.into_matches()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_batch_matches_as_its_events_do_one_by_one(
        selectors in prop::collection::vec(selectors(), 0..7), kinds in prop::collection::vec((0usize..4, 0u8..8), 1..30),
        effective in prop::collection::vec(0u64..20, 7), at_ms in 0u64..20, steps in 1u32..200
    ) {
        let events = events(&kinds);
        let batch = batch(CUSTOMER, batch_id(at_ms, 1), &events);
        let got = block_on(async {
            let (_memory, matchers) = matchers(&selectors, &effective).await;
            let matcher = matchers.matcher(CUSTOMER).unwrap();
            let found = matches(&matcher, &batch);
            assert_eq!(found, matches_in_turns(&matcher, &batch, steps));
            assert!(found.iter().all(|found| found.too_expensive.is_empty() && found.unreadable.is_empty()));
            found.into_iter().map(|found| (matcher.listener(found.listener).target.id(), found.events)).collect::<Vec<_>>()
        });
        let expected: Vec<_> = selectors.iter().enumerate().filter_map(|(n, selector)| {
            let selector = Selector::parse(selector).unwrap();
            let wanted: EventSet = (0..events.len() as u16).filter(|index| {
                let (kind, envelope) = &events[usize::from(*index)];
                selector.compiled().matches(&mut MatchScratch::default().view(kind, envelope.as_bytes()))
            }).collect();
            let counts = effective[n] <= at_ms && !wanted.is_empty();
            counts.then(|| (SubscriptionId::from_u128(n as u128), wanted))
        }).collect();
        prop_assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn what_cannot_be_judged_is_neither_matched_nor_dropped() {
    let selector = r#"{"type":"custom","function":{"field":"n","operator":"exists"}}"#.to_owned();
    let (_memory, matchers) = matchers(&[selector], &[]).await;
    let matcher = matchers.matcher(CUSTOMER).unwrap();
    let broken = vec![("", r#"{"payload":{"n":1}}"#.to_owned()), ("", "not JSON".to_owned())];
    let found = matches(&matcher, &batch(CUSTOMER, batch_id(1, 1), &broken));
    let (events, unreadable) = (EventSet::range(0, 1), EventSet::range(1, 2));
    assert_eq!(found, [Match { listener: 0, events, too_expensive: EventSet::new(), unreadable }]);
}

#[tokio::test]
async fn only_a_changed_customer_is_compiled_again() {
    let all = r#"{"type":"event_type","value":"*"}"#.to_owned();
    let (memory, matchers) = matchers(&[all.clone(), all], &[]).await;
    let before = matchers.matcher(CUSTOMER).unwrap();
    assert!(Arc::ptr_eq(&before, &matchers.matcher(CUSTOMER).unwrap()));

    let mut disabled = memory.subscription(SubscriptionId::from_u128(0)).unwrap();
    disabled.version += 1;
    disabled.status =
        sluice_model::SubscriptionStatus::Disabled { reason: sluice_model::DisabledReason::ByCustomer };
    memory.set_subscription(disabled);
    matchers.directory().refresh().await.unwrap();
    let after = matchers.matcher(CUSTOMER).unwrap();
    assert_eq!((before.listeners.len(), after.listeners.len()), (2, 1));
    assert!(matchers.matcher(CustomerId::from_u128(77)).is_none());
    matchers.directory().fresh(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_batch_pauses_before_the_event_that_its_budget_is_too_small_for() {
    let judged = r#"{"type":"custom","function":{"field":"n","operator":"exists"}}"#.to_owned();
    let all = r#"{"type":"event_type","value":"*"}"#.to_owned();
    let (_memory, matchers) = matchers(&[judged, all], &[]).await;
    let matcher = matchers.matcher(CUSTOMER).unwrap();
    let batch = batch(CUSTOMER, batch_id(1, 1), &events(&[(1, 0), (1, 1), (1, 2)]));
    let whole = {
        let mut matching = matcher.begin(&batch);
        matcher.advance_within(&batch, &mut matching, &mut tools(), u32::MAX);
        matching.steps()
    };
    let mut matching = matcher.begin(&batch);
    assert_eq!(matching.events_to_judge(&batch), 3);
    let half = u32::try_from(whole / 2).unwrap();
    let progress = matcher.advance_within(&batch, &mut matching, &mut tools(), half);
    assert_eq!(progress, MatchingProgress::Paused);
    // The events that were judged have the same matches as one by one; the next event has no verdict.
    let found = matching.into_matches();
    assert!(found.iter().all(|found| found.events.len() < 3 && found.too_expensive.is_empty()));

    let mut matching = matcher.begin(&batch);
    matcher.give_up(&batch, &mut matching, &mut tools());
    let found: Vec<_> = matching.into_matches();
    let all = EventSet::range(0, 3);
    assert_eq!((&found[0].too_expensive, &found[1].events), (&all, &all));
}
