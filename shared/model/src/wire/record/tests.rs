use super::*;
use crate::wire::envelope::{EnvelopeParts, stamp, write};
use crate::{EventId, EventMeta, Lane};
use proptest::prelude::*;
use std::sync::Arc;

fn batch(ms: u64, lane: u16, sizes: &[usize], types: &[&str], ordered: bool) -> Batch {
    let mut body = Vec::new();
    let mut events = Vec::new();
    for (i, size) in sizes.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        let mut state = (ms + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        body.extend((0..*size).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b'a' + (state >> 60) as u8
        }));
        events.push(EventMeta {
            end: body.len() as u32,
            kind: (i % types.len()) as u16,
            ordering: if ordered { i as u64 + 1 } else { 0 },
        });
    }
    Batch {
        customer: CustomerId::from_u128(0xc0ffee),
        id: EventId::new(ms, Lane::new(lane).unwrap(), 5, 0).batch(),
        types: types.iter().map(|t| (*t).into()).collect(),
        events,
        claims: vec![Claim {
            key: [1; 16],
            body: [2; 16],
            first: 0,
            count: sizes.len() as u16,
            part: 0,
            parts: 1,
        }],
        body: body.into(),
    }
}

fn encode(batches: Vec<Batch>) -> Vec<u8> {
    encode_parts(BlockCodec::Zstd(1), batches, Vec::new())
}

fn encode_parts(codec: BlockCodec, batches: Vec<Batch>, parts: Vec<Vec<BodyPart>>) -> Vec<u8> {
    let draft = RecordDraft {
        lane: None,
        producer: 7,
        sequence: 9,
        batches: batches.into_iter().map(Arc::new).collect(),
        parts,
    };
    let mut out = Vec::new();
    RecordEncoder::new(codec).unwrap().encode(&draft, &mut out);
    out
}

/// A batch of envelopes whose ids are written, and its parts: in each pair of runs the second
/// is compressed with blank ids.
fn packed_batch(ms: u64, runs: &[(usize, usize)], codec: BlockCodec) -> (Batch, Vec<BodyPart>) {
    let mut batch = batch(ms, 1, &[1], &["a"], false);
    let (mut body, mut parts) = (Vec::new(), Vec::new());
    batch.events.clear();
    for (nth, (events, bytes)) in runs.iter().enumerate() {
        let mut run = Vec::new();
        let start = body.len();
        for _ in 0..*events {
            let index = batch.events.len() as u16;
            let payload = format!("\"{}\"", "abc".repeat(bytes / 3 + usize::from(index) % 5));
            if !run.is_empty() {
                run.push(b',');
            }
            let parts = EnvelopeParts {
                customer: &batch.customer.text(),
                event_type: None,
                source: None,
                tags: None,
                metadata: None,
                payload: payload.as_bytes(),
                timestamp: b"2026-11-21T10:59:39.123Z",
            };
            write(&parts, &mut run);
            let end = (start + run.len()) as u32;
            batch.events.push(EventMeta { end, kind: 0, ordering: 0 });
        }
        let packed = (nth % 2 == 1).then(|| PackedRun::new(&mut run, codec).unwrap());
        body.extend_from_slice(&run);
        if nth + 1 < runs.len() {
            body.push(b',');
        }
        parts.push(packed.map_or(BodyPart::Plain(start..body.len()), BodyPart::Packed));
    }
    let mut start = 0;
    for (index, event) in batch.events.iter().enumerate() {
        stamp(&batch.id.event(index as u16).text(), &mut body[start..]);
        start = event.end as usize + 1;
    }
    batch.body = body.into();
    batch.claims.clear();
    (batch, parts)
}

fn decode(bytes: &[u8]) -> Vec<Result<Batch, RecordError>> {
    let directory = RecordDirectory::parse(bytes).unwrap();
    directory.read_all(bytes).map(|(_, batch)| batch).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn batches_read_back_as_written(
        sizes in prop::collection::vec(prop::collection::vec(0usize..3000, 1..60), 1..12),
        kinds in 1usize..4,
        ordered: bool,
    ) {
        let types = &["", "order.created", "a.b.c"][..kinds];
        let batches: Vec<Batch> =
            sizes.iter().enumerate().map(|(i, s)| batch(1000 + i as u64, i as u16, s, types, ordered)).collect();
        let codec = if ordered { BlockCodec::Lz4 } else { BlockCodec::Zstd(1) };
        let bytes = encode_parts(codec, batches.clone(), Vec::new());
        prop_assert_eq!(directory_end(&bytes).unwrap() <= bytes.len(), true);
        let read: Vec<Batch> = decode(&bytes).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(read, batches);
    }

    #[test]
    fn batches_that_requests_packed_read_back_with_their_ids(
        runs in prop::collection::vec(prop::collection::vec((1usize..40, 0usize..3000), 1..5), 1..5),
        lz4: bool,
    ) {
        let codec = if lz4 { BlockCodec::Lz4 } else { BlockCodec::Zstd(-3) };
        let (mut batches, mut parts) = (Vec::new(), Vec::new());
        for (nth, runs) in runs.iter().enumerate() {
            let (packed, packed_parts) = packed_batch(2000 + nth as u64, runs, codec);
            let is_packed = runs.len() > 1;
            batches.push(packed);
            parts.push(if is_packed { packed_parts } else { Vec::new() });
            // A batch whose body is not packed shares the record.
            batches.push(batch(3000 + nth as u64, 2, &[300, 20], &["a", "b"], true));
            parts.push(Vec::new());
        }
        let bytes = encode_parts(codec, batches.clone(), parts);
        let read: Vec<Batch> = decode(&bytes).into_iter().map(Result::unwrap).collect();
        prop_assert!(read == batches);
        // Each batch reads the same alone.
        let directory = RecordDirectory::parse(&bytes).unwrap();
        for (row, batch) in directory.batches.iter().zip(&batches) {
            let read = directory.read(row, &bytes[directory.data_range(row).unwrap()]).unwrap();
            prop_assert!(read == *batch);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), fix: bool) {
        if fix && bytes.len() >= HEADER_LEN {
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[4] = VERSION_PACKED;
            let crc = crc32c::crc32c(&bytes[..44]);
            bytes[44..48].copy_from_slice(&crc.to_le_bytes());
        }
        if let Ok(directory) = RecordDirectory::parse(&bytes) {
            let _outcomes = directory.read_all(&bytes).count();
        }
    }
}

#[test]
fn any_flipped_byte_is_noticed_and_costs_only_its_block() {
    let batches = vec![
        batch(1, 0, &[40_000], &["a"], false),
        batch(2, 1, &[100_000, 30_000], &["a"], false),
        batch(3, 2, &[200, 300], &["a", "b"], true),
    ];
    let bytes = encode(batches.clone());
    let data_start = directory_end(&bytes).unwrap();
    for offset in (0..bytes.len()).step_by(97).chain(0..data_start) {
        let mut bad = bytes.clone();
        bad[offset] ^= 0x10;
        match RecordDirectory::parse(&bad) {
            Err(_) => assert!(offset < data_start, "byte {offset} is data, not directory"),
            Ok(directory) => {
                let read: Vec<_> = directory.read_all(&bad).map(|(_, batch)| batch).collect();
                let good =
                    read.iter().zip(&batches).filter(|(read, batch)| read.as_ref() == Ok(*batch)).count();
                // The padding of a zstd frame may be unused; nothing wrong is ever read.
                assert!(read.iter().zip(&batches).all(|(r, b)| r.as_ref().is_err() || r.as_ref() == Ok(b)));
                assert!(good >= 2, "byte {offset} cost {} batches", 3 - good);
            }
        }
    }
}

#[test]
fn any_flipped_byte_of_a_packed_record_is_noticed() {
    for codec in [BlockCodec::Lz4, BlockCodec::Zstd(1)] {
        let (batch, parts) = packed_batch(1, &[(2, 50), (30, 3000), (3, 100), (20, 1000)], codec);
        let bytes = encode_parts(codec, vec![batch.clone()], vec![parts]);
        let data_start = directory_end(&bytes).unwrap();
        for offset in (data_start..bytes.len()).step_by(7).chain(0..data_start) {
            let mut bad = bytes.clone();
            bad[offset] ^= 0x10;
            if let Ok(directory) = RecordDirectory::parse(&bad) {
                let read: Vec<_> = directory.read_all(&bad).map(|(_, read)| read).collect();
                // If the change is not noticed, the byte was unused and the batch reads correctly.
                assert!(
                    read.iter().all(|read| read.is_err() || read.as_ref() == Ok(&batch)),
                    "byte {offset}"
                );
            }
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    let (packed, parts) = packed_batch(1, &[(2, 50), (9, 900)], BlockCodec::Lz4);
    let plain = encode(vec![batch(1, 0, &[300; 20], &["a"], false)]);
    for bytes in [plain, encode_parts(BlockCodec::Lz4, vec![packed], vec![parts])] {
        for len in 0..bytes.len() {
            let noticed = match RecordDirectory::parse(&bytes[..len]) {
                Err(_) => true,
                Ok(directory) => directory.read_all(&bytes[..len]).all(|(_, batch)| batch.is_err()),
            };
            assert!(noticed, "cut at {len}");
        }
    }
}

/// Records written by version 1 are read by every later build.
#[test]
fn the_golden_record_still_reads() {
    let golden = include_bytes!("../../../tests/data/record-v1.bin");
    let expected = vec![
        batch(1_700_000_000_000, 3, &[120, 80, 2000], &["order.created", ""], true),
        batch(1_700_000_000_001, 4, &[70_000], &["x"], false),
    ];
    let read: Vec<Batch> = decode(golden).into_iter().map(Result::unwrap).collect();
    assert_eq!(read, expected);
    // Without LZ4 and without packed bodies this build writes what version 1 reads.
    assert_eq!(encode(expected)[4], VERSION_FIRST);
}

/// Records with LZ4 blocks, zstd blocks and blank ids, as version 2 wrote them.
#[test]
fn the_golden_records_of_version_2_still_read() {
    for (name, codec) in [("lz4", BlockCodec::Lz4), ("zstd", BlockCodec::Zstd(1))] {
        let (packed, parts) = packed_batch(1_700_000_000_000, &[(2, 400), (30, 3000), (1, 90)], codec);
        let expected = vec![batch(1_700_000_000_001, 4, &[70_000, 40], &["x", ""], true), packed];
        let path = format!("{}/tests/data/record-v2-{name}.bin", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("SLUICE_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, encode_parts(codec, expected, vec![Vec::new(), parts])).unwrap();
            continue;
        }
        let golden = std::fs::read(&path).unwrap();
        assert_eq!(golden[4], VERSION_PACKED);
        let read: Vec<Batch> = decode(&golden).into_iter().map(Result::unwrap).collect();
        assert!(read == expected, "{name}");
    }
}

/// A record of a future version, with another layout behind the header: it is whole, so it is
/// not damage, and this build must not pass it.
#[test]
fn the_golden_record_of_the_future_is_told_from_damage() {
    let golden = include_bytes!("../../../tests/data/record-future.bin");
    let refused = RecordDirectory::parse(golden).unwrap_err();
    assert_eq!(refused, RecordError::Version(9));
    assert!(refused.is_newer());
    assert_eq!(directory_end(golden).unwrap_err(), refused);
    assert_eq!(
        refused.to_string(),
        "a newer Sluice wrote this record: it has version 9, and this build reads 1 to 2"
    );
    assert_eq!(version(golden), Ok(9));
    for offset in 0..HEADER_LEN {
        let mut damaged = golden.to_vec();
        damaged[offset] ^= 1;
        assert!(!RecordDirectory::parse(&damaged).unwrap_err().is_newer(), "byte {offset}");
    }
    assert_eq!(version(include_bytes!("../../../tests/data/record-v1.bin")), Ok(VERSION_FIRST));
}

#[test]
fn a_batch_with_flags_that_this_build_does_not_know_is_refused() {
    let mut record = encode(vec![batch(1, 1, &[10], &["a"], false)]);
    record[HEADER_LEN + BLOCK_ROW_LEN + 50] = 2;
    reseal(&mut record);
    let refused = RecordDirectory::parse(&record).unwrap_err();
    assert_eq!(refused, RecordError::Malformed("a batch row has unknown flags"));
}

#[test]
fn a_batch_that_begins_beyond_a_block_is_refused_before_room_is_made_for_it() {
    let mut record = encode(vec![batch(1, 1, &[10], &["a"], false)]);
    let row = HEADER_LEN + BLOCK_ROW_LEN;
    record[row + 36..row + 40].copy_from_slice(&u32::MAX.to_le_bytes());
    reseal(&mut record);
    let refused = RecordDirectory::parse(&record).unwrap_err();
    assert_eq!(refused, RecordError::Malformed("a batch row is out of bounds"));
}
