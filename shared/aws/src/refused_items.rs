//! Setting aside items that DynamoDB will never take as they are, in the same table.
//!
//! ```text
//! pk   x#<day>              2026-11-29
//! sk   <ms>#<random>#<k>    the k-th piece
//! of   the refused item's key, `pk` and `sk` with a space between them
//! why  DynamoDB's message
//! v    a piece of the refused item's bytes `v`
//! ttl
//! ```
//!
//! `aws dynamodb query` on `x#<day>` lists the items that were refused on a day. The
//! pieces of one item, put together by `k`, are its bytes: a batch's record, facts, a
//! dead letter or a row.

use crate::attribute::{Item, bytes, bytes_in, number, text};
use crate::store_metrics::{self as metrics, RefusedKind};
use crate::table::{ItemKey, ItemTable, RefusedWrite, put, put_item};
use aws_sdk_dynamodb::types::WriteRequest;
use sluice_model::clock;
use sluice_model::ids::random_u128;
use sluice_ports::{FailureClass, PortError};
use std::sync::Arc;

/// Bytes of one piece: well below the 400 KB of an item.
const PIECE_BYTES_MAX: usize = 200_000;
/// The most bytes that are kept of DynamoDB's message.
const REASON_BYTES_MAX: usize = 2000;

/// Writes that could not be set aside, and why.
#[derive(Debug, Default)]
pub(crate) struct NotKept {
    pub(crate) writes: Vec<WriteRequest>,
    pub(crate) error: Option<PortError>,
}

/// Keeps the items that DynamoDB refuses for good.
#[derive(Debug)]
pub(crate) struct RefusedItems {
    table: Arc<ItemTable>,
    requests_max: usize,
    keep_s: u64,
}

impl RefusedItems {
    /// Keeps items for `keep_s` seconds.
    pub(crate) const fn new(table: Arc<ItemTable>, requests_max: usize, keep_s: u64) -> Self {
        Self { table, requests_max, keep_s }
    }

    /// Sets refused writes aside with their bytes and the reasons.
    pub(crate) async fn keep(&self, refused: Vec<RefusedWrite>) -> NotKept {
        let mut not_kept = NotKept::default();
        for refused in refused {
            if let Err(error) = self.keep_one(&refused).await {
                not_kept.writes.push(refused.write);
                not_kept.error = Some(error);
            }
        }
        not_kept
    }

    async fn keep_one(&self, refused: &RefusedWrite) -> Result<(), PortError> {
        let now_ms = clock::now_ms();
        let pieces = items(refused, now_ms, now_ms / 1000 + self.keep_s);
        let mut written =
            self.table.write_all(pieces.into_iter().map(put).collect(), self.requests_max).await;
        if let Some(error) = written.error {
            return Err(error);
        }
        // If the table refuses even this, the table is wrong and not the item: nothing is
        // dropped, and the caller tries again.
        if let Some(piece) = written.refused.pop() {
            let attempted = "set a refused item aside";
            return Err(PortError::failed(FailureClass::Denied, attempted, piece.reason));
        }
        let key = put_item(&refused.write).and_then(ItemKey::in_item).map(|key| key.to_string());
        let key = key.unwrap_or_default();
        metrics::refused(kind(&key));
        tracing::error!(key, reason = refused.reason, "DynamoDB refused an item for good; it is set aside");
        Ok(())
    }
}

/// The kind of an item, by its key.
fn kind(key: &str) -> RefusedKind {
    let sort = key.split(' ').nth(1).unwrap_or_default();
    match (key.get(..2), sort.get(..2)) {
        (Some("d#"), _) => RefusedKind::DeadLetter,
        (Some("r#"), _) => RefusedKind::Row,
        (_, Some("f#")) => RefusedKind::Facts,
        _ => RefusedKind::Batch,
    }
}

/// The items that keep a refused write; none if it stored no item.
fn items(refused: &RefusedWrite, now_ms: u64, ttl: u64) -> Vec<Item> {
    let Some(item) = put_item(&refused.write) else { return Vec::new() };
    let key = ItemKey::in_item(item).map_or_else(String::new, |key| key.to_string());
    let random = random_u128() as u32;
    let body = bytes_in(item, "v").unwrap_or_default();
    // An item without bytes leaves one piece, with its key and the reason.
    let pieces = body.chunks(PIECE_BYTES_MAX).chain(body.is_empty().then_some(body));
    let reason = truncated(&refused.reason, REASON_BYTES_MAX);
    pieces
        .enumerate()
        .map(|(piece, body)| {
            let sort = format!("{now_ms:013}#{random:08x}#{piece:04}");
            let mut kept = ItemKey { partition: format!("x#{}", day(now_ms)), sort }.into_item();
            kept.extend([
                ("ttl".into(), number(ttl)),
                ("of".into(), text(&key)),
                ("why".into(), text(reason)),
                ("v".into(), bytes(body)),
            ]);
            kept
        })
        .collect()
}

/// The longest beginning of a text with at most `bytes_max` bytes.
fn truncated(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn day(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "unknown".into(), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::text_in;

    #[test]
    fn a_refused_item_is_kept_in_pieces_with_its_key_and_the_reason() {
        let body: Vec<u8> = (0..450_000u32).map(|n| n as u8).collect();
        let mut item = ItemKey { partition: "c#1".into(), sort: "f#2".into() }.into_item();
        item.insert("v".into(), bytes(body.clone()));
        let refused = RefusedWrite { write: put(item), reason: "é".repeat(3000) };
        let kept = items(&refused, 1_764_400_000_000, 9);
        assert_eq!(kept.len(), 3);
        assert_eq!(
            kept.iter().flat_map(|item| bytes_in(item, "v").unwrap().to_vec()).collect::<Vec<_>>(),
            body
        );
        assert_eq!(text_in(&kept[0], "of"), Some("c#1 f#2"));
        assert_eq!(text_in(&kept[0], "pk"), Some("x#2025-11-29"));
        assert_eq!(text_in(&kept[2], "why").unwrap().len(), REASON_BYTES_MAX);
        let key = |text: &str| kind(text).as_str();
        assert_eq!(
            ["c#1 f#2", "c#1 b#2", "d#1 2", "r#p 00"].map(key),
            ["facts", "batch", "dead_letter", "row"]
        );
        let sorts: Vec<_> = kept.iter().map(|item| text_in(item, "sk").unwrap()).collect();
        assert!(sorts.is_sorted());
    }
}
