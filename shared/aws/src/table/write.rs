//! Many writes of a table, in any order. Writes that the service leaves undone are sent
//! again; those that it refuses for good are found by halving the request.

use super::{ItemKey, ItemTable};
use crate::attribute::Item;
use crate::failure;
use crate::pauses::Pauses;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use sluice_ports::{FailureClass, PortError};

/// The most writes of one BatchWriteItem, and their bytes: the service takes 25 and 16 MB.
const WRITES_MAX: usize = 25;
const BYTES_MAX: usize = 8 << 20;
/// The most attempts in a row without progress.
const TRIES: u32 = 7;

/// A write that the service will never take as it is.
#[derive(Debug)]
pub(crate) struct RefusedWrite {
    pub(crate) write: WriteRequest,
    pub(crate) reason: String,
}

/// The outcome of several writes.
#[derive(Debug, Default)]
pub(crate) struct WriteOutcome {
    /// Writes that were not made, because of `error`.
    pub(crate) left: Vec<WriteRequest>,
    pub(crate) refused: Vec<RefusedWrite>,
    /// Why writes are left, if some are.
    pub(crate) error: Option<PortError>,
}

impl WriteOutcome {
    fn join(mut self, other: Self) -> Self {
        self.left.extend(other.left);
        self.refused.extend(other.refused);
        Self { error: self.error.or(other.error), ..self }
    }
}

/// The outcome of one request.
enum BatchWriteEnd {
    /// These writes are still to be made.
    Left(Vec<WriteRequest>),
    RefusedForGood(String),
    Failed(PortError),
}

/// A write that stores an item, whether or not its key exists.
pub(crate) fn put(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().expect("the item is set");
    WriteRequest::builder().put_request(put).build()
}

/// The item that a write stores; `None` for a deletion.
pub(crate) fn put_item(write: &WriteRequest) -> Option<&Item> {
    write.put_request.as_ref().map(|put| &put.item)
}

/// A write that deletes an item, if it exists.
pub(crate) fn delete(key: ItemKey) -> WriteRequest {
    let delete = DeleteRequest::builder().set_key(Some(key.into_item())).build().expect("the key is set");
    WriteRequest::builder().delete_request(delete).build()
}

impl ItemTable {
    /// Makes writes in any order. No two of them may have the same key.
    pub(crate) async fn write_all(&self, writes: Vec<WriteRequest>, requests_max: usize) -> WriteOutcome {
        stream::iter(chunks(writes))
            .map(|chunk| self.write_chunk(chunk))
            .buffer_unordered(requests_max)
            .fold(WriteOutcome::default(), |all, written| ready(all.join(written)))
            .await
    }

    async fn write_chunk(&self, chunk: Vec<WriteRequest>) -> WriteOutcome {
        let (mut pieces, mut written) = (vec![chunk], WriteOutcome::default());
        let mut pauses = Pauses::new(TRIES - 1);
        while let Some(mut piece) = pieces.pop() {
            match self.send(&piece).await {
                BatchWriteEnd::Left(left) => {
                    if left.len() < piece.len() {
                        pauses.progress();
                    }
                    if left.is_empty() {
                        continue;
                    }
                    pieces.push(left);
                    if !pauses.pause().await {
                        let count: usize = pieces.iter().map(Vec::len).sum();
                        let words = format!("{count} items were left unprocessed");
                        written.error = Some(PortError::failed(FailureClass::Busy, self.attempted(), words));
                        break;
                    }
                }
                BatchWriteEnd::RefusedForGood(reason) if piece.len() == 1 => {
                    written.refused.extend(piece.pop().map(|write| RefusedWrite { write, reason }));
                }
                BatchWriteEnd::RefusedForGood(_) => {
                    let half = piece.split_off(piece.len() / 2);
                    pieces.extend([half, piece]);
                }
                BatchWriteEnd::Failed(error) => {
                    pieces.push(piece);
                    written.error = Some(error);
                    break;
                }
            }
        }
        written.left = pieces.concat();
        written
    }

    async fn send(&self, writes: &[WriteRequest]) -> BatchWriteEnd {
        let request = self.client.batch_write_item().request_items(&self.name, writes.to_vec());
        match request.send().await {
            Ok(answer) => {
                let unprocessed = answer.unprocessed_items.and_then(|mut all| all.remove(&self.name));
                BatchWriteEnd::Left(unprocessed.unwrap_or_default())
            }
            Err(error) => match failure::class_of(&error) {
                FailureClass::Refused => BatchWriteEnd::RefusedForGood(failure::describe(&error)),
                FailureClass::Busy => BatchWriteEnd::Left(writes.to_vec()),
                _ => BatchWriteEnd::Failed(failure::port_error(self.attempted(), &error)),
            },
        }
    }

    fn attempted(&self) -> String {
        format!("write items of table {}", self.name)
    }
}

/// Groups writes into requests of a size that the service takes.
fn chunks(writes: Vec<WriteRequest>) -> Vec<Vec<WriteRequest>> {
    let (mut chunks, mut bytes): (Vec<Vec<WriteRequest>>, usize) = (Vec::new(), 0);
    for write in writes {
        let size = size(&write);
        match chunks.last_mut().filter(|last| last.len() < WRITES_MAX && bytes + size <= BYTES_MAX) {
            Some(last) => {
                bytes += size;
                last.push(write);
            }
            None => {
                bytes = size;
                chunks.push(vec![write]);
            }
        }
    }
    chunks
}

/// About how many bytes a write has.
fn size(write: &WriteRequest) -> usize {
    let attribute = |value: &AttributeValue| value.as_b().map_or(64, |bytes| bytes.as_ref().len());
    put_item(write).map_or(64, |item| item.values().map(attribute).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{bytes, text};

    #[test]
    fn writes_are_cut_by_count_and_by_bytes() {
        let write =
            |size: usize| put(Item::from([("pk".into(), text("p")), ("v".into(), bytes(vec![0; size]))]));
        let sizes = |writes: Vec<WriteRequest>| chunks(writes).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..60).map(|_| write(10)).collect()), [25, 25, 10]);
        assert_eq!(sizes((0..4).map(|_| write(3 << 20)).collect()), [2, 2]);
        assert_eq!(sizes(vec![write(9 << 20), write(1)]), [1, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }
}
