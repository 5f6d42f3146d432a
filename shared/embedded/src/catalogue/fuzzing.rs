//! The fuzz target of the catalogue's journal.

use super::journal::{self, Condition};

/// A journal, as it is and with its checksums put right: what is read of it
/// is its good part, and reads again as that.
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
        Condition::Absent => unreachable!("there is one"),
        Condition::Intact => assert_eq!(good, bytes.len()),
        Condition::Torn(_) => {
            let (again, condition) = journal::parse(&bytes[..good]);
            assert_eq!(condition, Condition::Intact);
            assert_eq!((again.frames, again.digest), (contents.frames, contents.digest));
        }
        Condition::Damaged { highest, .. } => assert!(highest >= contents.revision),
    }
}
