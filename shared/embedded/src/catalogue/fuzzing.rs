//! The fuzz target of the catalogue's journal.

use super::journal::{self, JournalCondition};

/// Reads a journal, as it is and with correct checksums. Its good part must read
/// again as the same rows.
pub(crate) fn read_journal(bytes: &[u8]) {
    check(bytes);
    let mut bytes = bytes.to_vec();
    journal::reseal(&mut bytes);
    check(&bytes);
}

fn check(bytes: &[u8]) {
    let (contents, condition) = journal::parse(bytes);
    let good = usize::try_from(contents.good_len).expect("it was in memory");
    assert!(good <= bytes.len() && contents.rows.len() as u64 <= contents.frames);
    match condition {
        JournalCondition::Absent => unreachable!("there is one"),
        JournalCondition::Intact => assert_eq!(good, bytes.len()),
        JournalCondition::Torn(_) => {
            let (again, condition) = journal::parse(&bytes[..good]);
            assert_eq!(condition, JournalCondition::Intact);
            assert_eq!((again.frames, again.digest), (contents.frames, contents.digest));
        }
        JournalCondition::Damaged { highest, .. } => assert!(highest >= contents.revision),
    }
}
