use super::cutter::RecordCut;
use super::*;
use proptest::prelude::*;
use sluice_model::Batch;
use sluice_model::batch::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use sluice_model::wire::envelope::EnvelopeParts;
use sluice_model::wire::record::{BlockCodec, RecordDirectory, RecordEncoder};
use std::borrow::Cow;
use std::collections::HashMap;

fn push(chunk: &mut EventChunk<'static>, kind: String, ordering: u64, payload: &str) {
    let customer = CustomerId::from_u128(1).text();
    let parts = EnvelopeParts {
        customer: &customer,
        event_type: None,
        source: None,
        tags: None,
        metadata: None,
        payload: payload.as_bytes(),
        timestamp: b"2026-11-21T10:59:39.123Z",
    };
    chunk.push(Cow::Owned(kind), ordering, &parts);
}

fn chunk(sizes: &[usize], tag: usize) -> EventChunk<'static> {
    let mut chunk = EventChunk::default();
    for (i, size) in sizes.iter().enumerate() {
        let payload = format!("\"{tag}/{i}/{}\"", "x".repeat(*size));
        push(&mut chunk, format!("type-{}", (tag + i) % 3), i as u64, &payload);
    }
    chunk
}

/// The batches as a log reads them.
fn read_back(cut: &mut RecordCut) -> Vec<Arc<Batch>> {
    let (batches, parts) = (cut.batches.clone(), std::mem::take(&mut cut.parts));
    let draft = RecordDraft { lane: cut.lane, producer: 1, sequence: 1, batches, parts };
    let mut bytes = Vec::new();
    RecordEncoder::new(BlockCodec::Lz4).unwrap().encode(&draft, &mut bytes);
    let directory = RecordDirectory::parse(&bytes).unwrap();
    directory.read_all(&bytes).map(|(_, batch)| Arc::new(batch.unwrap())).collect()
}

fn lane(n: u16) -> Lane {
    Lane::new(n).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_event_is_cut_once_in_order_with_its_id(
        pushes in prop::collection::vec((0u128..3, 0u16..3, prop::collection::vec(0usize..90_000, 1..12)), 1..20),
        record_bytes in 1usize..1_000_000,
    ) {
        let (mut buffer, mut cutter) = (UnitBuffer::default(), Cutter::new(5));
        let mut placed = Vec::new();
        let mut charged = 0;
        for (tag, (customer, lane_number, sizes)) in pushes.iter().enumerate() {
            let mut chunk = chunk(sizes, tag);
            if tag % 3 > 0 {
                chunk.pack(BlockCodec::Lz4).unwrap();
            }
            charged += chunk.bytes();
            let mut runs = Vec::new();
            buffer.push(CustomerId::from_u128(*customer), lane(*lane_number), chunk, &mut runs);
            prop_assert_eq!(runs.iter().map(|run| usize::from(run.count)).sum::<usize>(), sizes.len());
            placed.push(runs);
        }
        let mut seen: HashMap<(u128, u16), Vec<String>> = HashMap::new();
        let mut last_ids = HashMap::new();
        let mut now = 0;
        loop {
            let taken = buffer.take(record_bytes);
            if taken.is_empty() {
                break;
            }
            let mut cut = cutter.cut(taken, now);
            now += 1;
            charged -= cut.bytes;
            prop_assert!(read_back(&mut cut) == cut.batches, "the log reads what was cut");
            for batch in &cut.batches {
                prop_assert!(batch.events.len() <= BATCH_EVENTS_MAX && batch.body.len() <= BATCH_BYTES_MAX);
                prop_assert!(last_ids.insert(batch.lane(), batch.id).is_none_or(|last| last < batch.id));
                if let Some(lane) = cut.lane {
                    prop_assert_eq!(lane, batch.lane());
                }
                for index in 0..batch.len() {
                    let json: serde_json::Value = serde_json::from_slice(&batch.envelope(index)).unwrap();
                    prop_assert_eq!(json["event_id"].as_str().unwrap(), batch.event_id(index).to_string());
                    let payload = json["payload"].as_str().unwrap();
                    let mut parts = payload.split('/');
                    let (tag, i): (usize, usize) =
                        (parts.next().unwrap().parse().unwrap(), parts.next().unwrap().parse().unwrap());
                    prop_assert_eq!(batch.event_type(index), format!("type-{}", (tag + i) % 3));
                    prop_assert_eq!(batch.events[usize::from(index)].ordering, i as u64);
                    let key = (batch.customer.as_u128(), batch.lane().number());
                    seen.entry(key).or_default().push(format!("{tag}/{i}"));
                }
            }
        }
        prop_assert_eq!(charged, 0, "what is charged is given back");
        let mut expected: HashMap<(u128, u16), Vec<String>> = HashMap::new();
        for (tag, (customer, lane, sizes)) in pushes.iter().enumerate() {
            let all = expected.entry((*customer, *lane)).or_default();
            all.extend((0..sizes.len()).map(|i| format!("{tag}/{i}")));
        }
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn a_record_is_shared_fairly_by_its_customers() {
    let mut buffer = UnitBuffer::default();
    let (hog, other) = (CustomerId::from_u128(1), CustomerId::from_u128(2));
    let mut placed = Vec::new();
    for tag in 0..20 {
        buffer.push(hog, lane(0), chunk(&[200_000], tag), &mut placed);
    }
    buffer.push(other, lane(0), chunk(&[10], 99), &mut placed);
    let taken = buffer.take(400_000);
    assert!(taken.iter().any(|batch| batch.customer == other), "the small one is in the first record");
}

#[test]
fn a_batch_names_the_types_of_its_own_events_alone() {
    let (mut chunk, mut buffer) = (EventChunk::default(), UnitBuffer::default());
    for n in 0..10_000 {
        push(&mut chunk, format!("{n}.{}", "x".repeat(120)), 0, "\"small\"");
    }
    buffer.push(CustomerId::from_u128(1), lane(0), chunk, &mut Vec::new());
    let cut = Cutter::new(5).cut(buffer.take(usize::MAX), 7);
    assert!(cut.batches.len() > 2);
    for batch in &cut.batches {
        assert_eq!(batch.types.len(), batch.events.len(), "tables must not outgrow what a record may hold");
    }
}
