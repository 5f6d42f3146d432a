//! Correcting the checksums of a damaged record, so that tests reach the fields that the
//! checksums protect.

use super::{BLOCK_ROW_LEN, HEADER_LEN, RecordDirectory};
use crate::wire::bytes_reader::BytesReader;

/// The bytes of a batch's row before its claims, and of a claim's row.
const BATCH_ROW_LEN: usize = 56;
const CLAIM_LEN: usize = 40;

/// Corrects the checksums of header and directory, and those of the batches whose blocks can
/// be unpacked.
pub fn reseal(record: &mut [u8]) {
    if record.len() < HEADER_LEN {
        return;
    }
    seal_directory(record);
    let Ok(directory) = RecordDirectory::parse(record) else { return };
    let mut row_at = HEADER_LEN + directory.blocks.len() * BLOCK_ROW_LEN;
    for row in &directory.batches {
        let (start, len) = (row.offset as usize, row.raw_len as usize);
        if let Ok(blocks) = directory.blocks_of(row)
            && let Some(data) = record.get(directory.blocks[blocks.start].start..)
            && let Ok(raw) = directory.unpack(blocks, data)
            && let Some(raw) = raw.get(start..start + len)
        {
            let crc = crc32c::crc32c(raw);
            record[row_at + 52..row_at + 56].copy_from_slice(&crc.to_le_bytes());
        }
        row_at += BATCH_ROW_LEN + row.claims.len() * CLAIM_LEN;
    }
    seal_directory(record);
}

fn seal_directory(record: &mut [u8]) {
    let length = BytesReader::new(&record[32..]).u32().expect("the record has a header") as usize;
    if let Some(directory) = record.get(HEADER_LEN..HEADER_LEN.saturating_add(length)) {
        let crc = crc32c::crc32c(directory);
        record[40..44].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32c::crc32c(&record[..44]);
    record[44..48].copy_from_slice(&crc.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resealed_record_reads_again_with_what_was_changed_in_it() {
        let whole = include_bytes!("../../../tests/data/record-v1.bin");
        let mut record = whole.to_vec();
        reseal(&mut record);
        assert_eq!(record, whole, "right checksums stay");
        // The checksums of a batch, of the directory and of the header are destroyed.
        let directory = RecordDirectory::parse(whole).unwrap();
        let row = HEADER_LEN + directory.blocks.len() * BLOCK_ROW_LEN;
        record[row + 52] ^= 1;
        record[41] ^= 1;
        record[45] ^= 1;
        reseal(&mut record);
        assert_eq!(record, whole);
        // A changed customer is read as it is.
        record[row] ^= 1;
        reseal(&mut record);
        let changed = RecordDirectory::parse(&record).unwrap();
        assert_ne!(changed.batches[0].customer, directory.batches[0].customer);
        assert!(changed.read_all(&record).all(|(_, batch)| batch.is_ok()));
        reseal(&mut []);
    }
}
