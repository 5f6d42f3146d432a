//! The contract suite of [`Rows`]. Each adapter's tests call [`all`]; the store need not be
//! empty.
#![expect(clippy::unwrap_used, reason = "a failed check is a panic")]

use super::{NewRow, Row, RowChange, Rows, VALUE_BYTES_MAX};
use crate::FailureClass;
use sluice_model::clock::now_ms;
use sluice_model::ids::random_u128;
use std::sync::Arc;

/// Runs every check.
pub async fn all(rows: Arc<dyn Rows>) {
    rows_are_listed_in_the_order_of_their_keys(&*rows).await;
    a_row_is_its_partitions_alone(&*rows).await;
    changes_of_one_write_are_made_in_their_order(&*rows).await;
    many_changes_are_made_in_any_order(&*rows).await;
    a_conditional_put_is_made_once(rows.clone()).await;
    expired_rows_are_not_read(&*rows).await;
    the_largest_row_is_taken(&*rows).await;
    a_row_that_can_never_be_stored_stops_no_other(&*rows).await;
}

fn name() -> String {
    format!("contract/{:032x}", random_u128())
}

fn row(partition: &str, key: &[u8], value: &[u8]) -> NewRow {
    let (partition, key, value) = (partition.to_owned(), key.to_vec(), value.to_vec());
    NewRow { partition, key, value, expires_at_ms: None, needs_from_ms: None }
}

async fn keys(rows: &dyn Rows, partition: &str) -> Vec<Vec<u8>> {
    rows.list(partition, None, 1000).await.unwrap().into_iter().map(|row| row.key).collect()
}

async fn rows_are_listed_in_the_order_of_their_keys(rows: &dyn Rows) {
    let partition = name();
    let all: [&[u8]; 5] = [b"\x00", b"\x00\x01", b"a", b"a\xff", b"\xff"];
    let puts = [3, 0, 4, 2, 1].map(|number| RowChange::Put(row(&partition, all[number], &[number as u8])));
    rows.write(puts.to_vec()).await.unwrap();
    assert_eq!(keys(rows, &partition).await, all);
    let page = rows.list(&partition, Some(b"\x00\x01"), 2).await.unwrap();
    assert_eq!(
        page,
        [Row { key: b"a".to_vec(), value: vec![2] }, Row { key: b"a\xff".to_vec(), value: vec![3] }]
    );
    assert!(rows.list(&partition, Some(b"\xff"), 2).await.unwrap().is_empty());
}

async fn a_row_is_its_partitions_alone(rows: &dyn Rows) {
    let partition = name();
    // The name of one partition begins with the other's.
    let longer = format!("{partition}/x");
    rows.write(vec![RowChange::Put(row(&partition, b"/xk", b"1")), RowChange::Put(row(&longer, b"k", b"2"))])
        .await
        .unwrap();
    assert_eq!(rows.get(&partition, b"/xk").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(rows.get(&partition, b"k").await.unwrap(), None);
    assert_eq!(keys(rows, &partition).await, [b"/xk".to_vec()]);
    assert_eq!(keys(rows, &longer).await, [b"k".to_vec()]);
}

async fn many_changes_are_made_in_any_order(rows: &dyn Rows) {
    let (one, other) = (name(), name());
    let key = |n: u16| n.to_be_bytes();
    let put = |partition: &str, n: u16, value: &[u8]| RowChange::Put(row(partition, &key(n), value));
    rows.write(vec![put(&one, 900, b"old"), put(&one, 901, b"old")]).await.unwrap();
    let mut changes: Vec<RowChange> = (0..70).map(|n| put(&one, n, b"new")).collect();
    changes.extend((0..30).map(|n| put(&other, n, b"new")));
    changes.push(RowChange::Remove { partition: one.clone(), key: key(900).to_vec() });
    changes.push(RowChange::Remove { partition: one.clone(), key: key(77).to_vec() });
    changes.push(put(&one, 901, b"first"));
    changes.push(put(&one, 901, b"last"));
    for _ in 0..2 {
        rows.write_in_any_order(changes.clone()).await.unwrap();
        let wanted: Vec<Vec<u8>> = (0..70).chain([901]).map(|n| key(n).to_vec()).collect();
        assert_eq!(keys(rows, &one).await, wanted);
        assert_eq!(rows.get(&one, &key(901)).await.unwrap().as_deref(), Some(&b"last"[..]));
        assert_eq!(keys(rows, &other).await.len(), 30);
    }
    rows.write_in_any_order(Vec::new()).await.unwrap();
}

async fn changes_of_one_write_are_made_in_their_order(rows: &dyn Rows) {
    let partition = name();
    let remove = |key: &[u8]| RowChange::Remove { partition: partition.clone(), key: key.to_vec() };
    let put = |key: &[u8], value: &[u8]| RowChange::Put(row(&partition, key, value));
    let changes = vec![put(b"a", b"1"), remove(b"a"), put(b"b", b"1"), put(b"b", b"2"), remove(b"c")];
    for _again in 0..2 {
        rows.write(changes.clone()).await.unwrap();
        assert_eq!(rows.get(&partition, b"a").await.unwrap(), None);
        assert_eq!(rows.get(&partition, b"b").await.unwrap().as_deref(), Some(&b"2"[..]));
    }
    rows.write(vec![remove(b"b")]).await.unwrap();
    assert!(keys(rows, &partition).await.is_empty());
}

async fn a_conditional_put_is_made_once(rows: Arc<dyn Rows>) {
    let partition = name();
    assert!(!rows.put_if(row(&partition, b"k", b"1"), Some(b"0".to_vec())).await.unwrap());
    assert!(rows.put_if(row(&partition, b"k", b"1"), None).await.unwrap());
    assert!(!rows.put_if(row(&partition, b"k", b"2"), None).await.unwrap());
    let tries = (0..16u8).map(|n| {
        let (rows, partition) = (rows.clone(), partition.clone());
        tokio::spawn(
            async move { rows.put_if(row(&partition, b"k", &[n]), Some(b"1".to_vec())).await.unwrap() },
        )
    });
    let mut made = 0;
    for attempt in tries.collect::<Vec<_>>() {
        made += u32::from(attempt.await.unwrap());
    }
    assert_eq!(made, 1);
}

async fn expired_rows_are_not_read(rows: &dyn Rows) {
    let partition = name();
    let until = |key: &[u8], ms: u64| NewRow { expires_at_ms: Some(ms), ..row(&partition, key, b"v") };
    let (gone, kept) = (until(b"gone", now_ms() - 1), until(b"kept", now_ms() + 3_600_000));
    rows.write(vec![RowChange::Put(gone), RowChange::Put(kept)]).await.unwrap();
    assert_eq!(rows.get(&partition, b"gone").await.unwrap(), None);
    assert_eq!(keys(rows, &partition).await, [b"kept".to_vec()]);
    assert!(rows.put_if(row(&partition, b"gone", b"new"), None).await.unwrap());
}

async fn the_largest_row_is_taken(rows: &dyn Rows) {
    let partition = name();
    let value = vec![7; VALUE_BYTES_MAX];
    rows.write(vec![RowChange::Put(row(&partition, b"k", &value))]).await.unwrap();
    assert_eq!(rows.get(&partition, b"k").await.unwrap(), Some(value));
}

async fn a_row_that_can_never_be_stored_stops_no_other(rows: &dyn Rows) {
    let partition = name();
    // Larger than any store's item, and random: it cannot be compressed.
    let value = (0..40_000).flat_map(|_| random_u128().to_be_bytes()).collect::<Vec<u8>>();
    let put = |key: &[u8], value: &[u8]| RowChange::Put(row(&partition, key, value));
    let changes = vec![put(b"a", b"1"), put(b"large", &value), put(b"b", b"1")];
    match rows.write_in_any_order(changes.clone()).await {
        Ok(()) => {}
        // As a caller does after a refusal: each in a call of its own.
        Err(error) => {
            assert_eq!(error.class(), FailureClass::Refused, "{error}");
            for change in changes {
                drop(rows.write_in_any_order(vec![change]).await);
            }
        }
    }
    assert_eq!(keys(rows, &partition).await, [b"a".to_vec(), b"b".to_vec()]);
}
