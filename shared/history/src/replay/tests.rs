use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn webhooks_hold_every_event_once_in_order(
        sets in prop::collection::vec(prop::collection::btree_set(0u16..60, 0..20), 0..6), max in 1usize..15
    ) {
        let refs: Vec<EventRef> = sets.iter().enumerate().map(|(n, set)| EventRef {
            batch: EventId::new(n as u64, Lane::new(1).unwrap(), 0, 0).batch(),
            events: set.iter().copied().collect(),
        }).collect();
        let flat = |refs: &[EventRef]| -> Vec<_> {
            refs.iter()
                .flat_map(|events| events.events.iter().map(|index| events.batch.event(index)))
                .collect()
        };
        let expected = flat(&refs);
        let count = expected.len();
        let cut = cut(refs, max);
        prop_assert_eq!(cut.iter().flat_map(|webhook| flat(webhook)).collect::<Vec<_>>(), expected);
        let full = cut.len().saturating_sub(1);
        prop_assert!(cut[..full].iter().all(|webhook| flat(webhook).len() == max));
        prop_assert_eq!(cut.len(), count.div_ceil(max));
    }
}

/// Rows of earlier versions must read back.
#[test]
fn a_stored_replay_reads_back() {
    let json = r#"{"id":"01890000-0000-7000-8000-000000000001","customer":"01890000-0000-7000-8000-000000000002","subscription":"01890000-0000-7000-8000-000000000003","start_ms":1,"end_ms":9,"rate_per_second":1000,"status":"running","lane":0,"after":"01890000-0000-7000-8000-000000000004","scanned":5,"queued":4,"next_ms":3,"owner":7,"owned_until_ms":8,"created_at_ms":1,"updated_at_ms":2}"#;
    let replay: Replay = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&replay).unwrap(), json);
}
