//! What to do with the two copies of the catalogue that opening finds.

use super::journal::Condition;
use sluice_catalogue::row::CatalogueDigest;

/// What the database turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DatabaseCondition {
    /// No file, or an empty one.
    Absent,
    /// Its rows are what was written, up to this revision.
    Intact { revision: u64, digest: CatalogueDigest },
    /// It is not what was written.
    Damaged(String),
}

/// What to do, and what was found where something was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Start empty.
    Fresh,
    /// Both agree. Cut off the journal's torn end, if it has one.
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
/// A change is appended to the journal, synced, and then committed to the
/// database. So after a crash the journal may be ahead by changes nobody was
/// told of, or end in part of a frame. Everything else is damage.
pub(super) fn plan(
    database: &DatabaseCondition,
    journal: &Condition,
    revision: u64,
    digest: CatalogueDigest,
) -> Plan {
    use DatabaseCondition as Db;
    let describe = |what: &str| what.to_owned();
    match (database, journal) {
        (Db::Absent, Condition::Absent) => Plan::Fresh,
        (Db::Absent, Condition::Intact) if revision == 0 => Plan::Fresh,
        (Db::Absent, Condition::Intact) => Plan::RebuildDatabase(describe("it is missing")),
        (Db::Damaged(finding), Condition::Intact) => Plan::RebuildDatabase(finding.clone()),
        (Db::Absent, journal) => {
            Plan::Refuse { database: describe("it is missing"), journal: finding_of(journal) }
        }
        (Db::Damaged(finding), journal) => {
            Plan::Refuse { database: finding.clone(), journal: finding_of(journal) }
        }
        (Db::Intact { revision: 0, .. }, Condition::Absent) => Plan::RewriteJournal(None),
        (Db::Intact { .. }, Condition::Absent) => Plan::RewriteJournal(Some(describe("it is missing"))),
        (Db::Intact { revision: at, .. }, Condition::Damaged { finding, highest }) if at >= highest => {
            Plan::RewriteJournal(Some(finding.clone()))
        }
        (Db::Intact { revision: at, .. }, Condition::Damaged { finding, highest }) => Plan::Refuse {
            database: format!("it ends at revision {at}, the journal at {highest}"),
            journal: finding.clone(),
        },
        (Db::Intact { revision: at, digest: sum }, Condition::Intact | Condition::Torn(_)) => {
            match at.cmp(&revision) {
                std::cmp::Ordering::Less => Plan::ApplyJournal(format!(
                    "it ends at revision {at}, the journal at {revision}: a crash before a commit, \
                     or a damaged -wal file"
                )),
                std::cmp::Ordering::Greater => Plan::RewriteJournal(Some(format!(
                    "it ends at revision {revision}, the database at {at}"
                ))),
                std::cmp::Ordering::Equal if *sum == digest => Plan::Keep,
                std::cmp::Ordering::Equal => Plan::Refuse {
                    database: format!("its rows of revision {at} are not the journal's"),
                    journal: describe("its rows are not the database's"),
                },
            }
        }
    }
}

fn finding_of(journal: &Condition) -> String {
    match journal {
        Condition::Absent => "it is missing".to_owned(),
        Condition::Intact => "it is whole".to_owned(),
        Condition::Torn(finding) | Condition::Damaged { finding, .. } => finding.clone(),
    }
}
