//! The row of a batch that waits to be matched (see [`Rows`](sluice_ports::Rows)), so that a
//! restart finds it.
//!
//! ```text
//! partition         key                               value
//! unmatched/<lane>  customer 16, sequence u64 (BE)    version 1, batch id 16, bytes u32 (BE)
//! ```

use sluice_model::{BatchId, CustomerId, Lane};
use sluice_ports::PortError;
use sluice_ports::rows::{NewRow, Row};

const VERSION: u8 = 1;

/// A batch that waits to be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingBatch {
    /// The customer of the batch.
    pub customer: CustomerId,
    /// Its place among the waiting batches of its customer and lane.
    pub sequence: u64,
    /// The batch.
    pub batch: BatchId,
    /// The length of its body.
    pub bytes: u32,
}

/// The partition of a lane's rows.
#[must_use]
pub fn partition(lane: Lane) -> String {
    format!("unmatched/{}", lane.number())
}

impl WaitingBatch {
    /// The key of its row.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        [&self.customer.to_bytes()[..], &self.sequence.to_be_bytes()].concat()
    }

    /// Its row. The batch itself is kept as long as the row is.
    #[must_use]
    pub fn row(&self) -> NewRow {
        let value = [&[VERSION][..], &self.batch.to_bytes(), &self.bytes.to_be_bytes()].concat();
        NewRow {
            partition: partition(self.batch.lane()),
            key: self.key(),
            value,
            expires_at_ms: None,
            needs_from_ms: Some(self.batch.ms()),
        }
    }

    /// Reads a row back.
    ///
    /// # Errors
    /// If the row is not one that [`Self::row`] made.
    pub fn read(row: &Row) -> Result<Self, PortError> {
        let damaged = || PortError::Damaged {
            attempted: "read a batch that waits to be matched".into(),
            detail: format!("a key of {} and a value of {} bytes", row.key.len(), row.value.len()),
        };
        let (customer, sequence) = row.key.split_first_chunk::<16>().ok_or_else(damaged)?;
        let sequence = sequence.try_into().map_err(|_| damaged())?;
        let Some((&VERSION, value)) = row.value.split_first() else { return Err(damaged()) };
        let (batch, bytes) = value.split_first_chunk::<16>().ok_or_else(damaged)?;
        Ok(Self {
            customer: CustomerId::from_bytes(*customer),
            sequence: u64::from_be_bytes(sequence),
            batch: BatchId::from_bytes(*batch),
            bytes: u32::from_be_bytes(bytes.try_into().map_err(|_| damaged())?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::batch_id;

    #[test]
    fn a_row_is_what_it_was_and_reads_back() {
        let waiting = WaitingBatch {
            customer: CustomerId::from_u128(0x11),
            sequence: 0x22,
            batch: batch_id(0x33, 0x44),
            bytes: 0x55,
        };
        let row = waiting.row();
        assert_eq!((row.partition.as_str(), row.needs_from_ms), ("unmatched/3", Some(0x33)));
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&row.key), "000000000000000000000000000000110000000000000022");
        assert_eq!(hex(&row.value), "0100000000003370038000000000440000".to_owned() + "00000055");
        let stored = |key: &[u8], value: &[u8]| Row { key: key.to_vec(), value: value.to_vec() };
        assert_eq!(WaitingBatch::read(&stored(&row.key, &row.value)).unwrap(), waiting);
        for (key, value) in [(&row.key[1..], &row.value[..]), (&row.key, &row.value[1..]), (&row.key, &[])] {
            assert!(WaitingBatch::read(&stored(key, value)).is_err());
        }
    }
}
