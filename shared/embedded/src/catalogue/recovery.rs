//! Deciding how to recover the catalogue from the two copies that opening finds.

use super::journal::JournalCondition;
use sluice_catalogue::row::CatalogueDigest;

/// The condition of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DatabaseCondition {
    /// No file, or an empty one.
    Absent,
    /// The rows are whole, up to this revision.
    Intact { revision: u64, digest: CatalogueDigest },
    /// The file is damaged.
    Damaged(String),
}

/// How to recover, with a description of the damage if there is any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecoveryPlan {
    /// Start empty.
    Fresh,
    /// Both agree. Cut off the torn end of the journal, if there is one.
    Keep,
    /// The database is whole: write the journal anew from it.
    RewriteJournal(Option<String>),
    /// The database is whole but older: bring it up to the journal.
    ApplyJournal(String),
    /// The database is lost: put it aside and build it from the journal.
    RebuildDatabase(String),
    /// Neither copy proves to be whole.
    Refuse { database: String, journal: String },
}

/// Decides from the two conditions. `revision` and `digest` are the journal's.
///
/// A change is appended to the journal and synced, and then committed to the
/// database. So after a crash the journal may be ahead by changes that were not
/// answered yet, or end in part of a frame. Everything else is damage.
pub(super) fn plan(
    database: &DatabaseCondition,
    journal: &JournalCondition,
    revision: u64,
    digest: CatalogueDigest,
) -> RecoveryPlan {
    use DatabaseCondition as Db;
    let describe = |finding: &str| finding.to_owned();
    match (database, journal) {
        (Db::Absent, JournalCondition::Absent) => RecoveryPlan::Fresh,
        (Db::Absent, JournalCondition::Intact) if revision == 0 => RecoveryPlan::Fresh,
        (Db::Absent, JournalCondition::Intact) => RecoveryPlan::RebuildDatabase(describe("it is missing")),
        (Db::Damaged(finding), JournalCondition::Intact) => RecoveryPlan::RebuildDatabase(finding.clone()),
        (Db::Absent, journal) => {
            RecoveryPlan::Refuse { database: describe("it is missing"), journal: finding_of(journal) }
        }
        (Db::Damaged(finding), journal) => {
            RecoveryPlan::Refuse { database: finding.clone(), journal: finding_of(journal) }
        }
        (Db::Intact { revision: 0, .. }, JournalCondition::Absent) => RecoveryPlan::RewriteJournal(None),
        (Db::Intact { .. }, JournalCondition::Absent) => {
            RecoveryPlan::RewriteJournal(Some(describe("it is missing")))
        }
        (Db::Intact { revision: database_revision, .. }, JournalCondition::Damaged { finding, highest })
            if database_revision >= highest =>
        {
            RecoveryPlan::RewriteJournal(Some(finding.clone()))
        }
        (Db::Intact { revision: database_revision, .. }, JournalCondition::Damaged { finding, highest }) => {
            RecoveryPlan::Refuse {
                database: format!("it ends at revision {database_revision}, the journal at {highest}"),
                journal: finding.clone(),
            }
        }
        (
            Db::Intact { revision: database_revision, digest: sum },
            JournalCondition::Intact | JournalCondition::Torn(_),
        ) => match database_revision.cmp(&revision) {
            std::cmp::Ordering::Less => RecoveryPlan::ApplyJournal(format!(
                "it ends at revision {database_revision}, the journal at {revision}: a crash before a commit, \
                     or a damaged -wal file"
            )),
            std::cmp::Ordering::Greater => RecoveryPlan::RewriteJournal(Some(format!(
                "it ends at revision {revision}, the database at {database_revision}"
            ))),
            std::cmp::Ordering::Equal if *sum == digest => RecoveryPlan::Keep,
            std::cmp::Ordering::Equal => RecoveryPlan::Refuse {
                database: format!("its rows of revision {database_revision} are not the journal's"),
                journal: describe("its rows differ from the database's"),
            },
        },
    }
}

fn finding_of(journal: &JournalCondition) -> String {
    match journal {
        JournalCondition::Absent => "it is missing".to_owned(),
        JournalCondition::Intact => "it is whole".to_owned(),
        JournalCondition::Torn(finding) | JournalCondition::Damaged { finding, .. } => finding.clone(),
    }
}
