use super::*;
use sluice_catalogue::row::{CatalogueDigest, CatalogueRow, StoredRow};
use sluice_model::{ApiKey, ApiKeyId, AuditEntry, AuditId, EventType, Subscription, SubscriptionId};
use sluice_ports::catalogue::contract::{self, CatalogueSample};
use std::collections::BTreeMap;
use std::fs;

async fn open(folder: &Path) -> SqliteCatalogue {
    SqliteCatalogue::open(folder).await.expect("the catalogue opens")
}

/// All rows, by kind and id, as JSON.
async fn rows(catalogue: &SqliteCatalogue) -> BTreeMap<String, String> {
    let all = catalogue.changes(Revision(0)).await.unwrap();
    let json = |value: serde_json::Value| value.to_string();
    let customers =
        all.customers.iter().map(|customer| (format!("c{}", customer.id), json(serde_json::json!(customer))));
    let keys = all.keys.iter().map(|key| (format!("k{}", key.id), json(serde_json::json!(key))));
    let subscriptions =
        all.subscriptions.iter().map(|found| (format!("s{}", found.id), json(serde_json::json!(found))));
    let gone = all.deleted_subscriptions.iter().map(|(_, id)| (format!("d{id}"), String::new()));
    let types = all.event_types.iter();
    let types =
        types.map(|found| (format!("t{}{}", found.customer, found.name), json(serde_json::json!(found))));
    let gone_types = all.deleted_event_types.iter();
    let gone_types = gone_types.map(|(customer, name)| (format!("g{customer}{name}"), String::new()));
    let entries = audit(catalogue).await;
    let entries = entries.iter().map(|entry| (format!("a{}", entry.id), json(serde_json::json!(entry))));
    let things = customers.chain(keys).chain(subscriptions).chain(gone).chain(types).chain(gone_types);
    things.chain(entries).collect()
}

/// The whole audit log, the oldest first.
async fn audit(catalogue: &SqliteCatalogue) -> Vec<AuditEntry> {
    let (from, until) = (AuditId::from_u128(0), AuditId::from_u128(u128::MAX));
    let query = AuditQuery { customer: None, from, until, newest_first: false, limit: usize::MAX };
    catalogue.audit(query).await.unwrap()
}

/// Deletes entries of the audit log until there are at most `rows_max`.
async fn trim(catalogue: &SqliteCatalogue, rows_max: u64) {
    let retention = AuditRetention { from: AuditId::from_u128(0), rows_max, step: 1000 };
    while catalogue.trim_audit(retention).await.unwrap() > 0 {}
}

/// A folder as a crash leaves it: files that were copied while the catalogue is open.
async fn crashed_folder() -> (tempfile::TempDir, BTreeMap<String, String>) {
    let live = tempfile::tempdir().unwrap();
    let catalogue = open(live.path()).await;
    // Some rows are in the database file, some in its -wal.
    fill(&catalogue, 3).await;
    catalogue.close().await.unwrap();
    let catalogue = open(live.path()).await;
    fill(&catalogue, 3).await;
    let rows = rows(&catalogue).await;
    let copy = tempfile::tempdir().unwrap();
    copy_files(live.path(), copy.path());
    catalogue.close().await.unwrap();
    (copy, rows)
}

async fn fill(catalogue: &SqliteCatalogue, customers: usize) {
    for n in 0..customers {
        let sample = CatalogueSample::new(n as u64);
        catalogue.put_customer(&sample.customer).await.unwrap();
        catalogue.put_key(&sample.key).await.unwrap();
        catalogue.put_subscription(&sample.subscription).await.unwrap();
        let gone = Subscription { id: SubscriptionId::new(n as u64), ..sample.subscription.clone() };
        catalogue.put_subscription(&gone).await.unwrap();
        catalogue.delete_subscription(gone.customer, gone.id).await.unwrap();
        catalogue.put_event_type(&sample.event_type).await.unwrap();
        let gone = EventType { name: "order.gone".to_owned(), ..sample.event_type };
        catalogue.put_event_type(&gone).await.unwrap();
        catalogue.delete_event_type(gone.customer, &gone.name).await.unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Opens the catalogue in `folder`. Fails unless all rows are there, or opening was refused
/// with the names of the files. Returns whether it opened.
async fn all_there_or_refused(folder: &Path, wanted: &BTreeMap<String, String>, harm: &str) -> bool {
    match SqliteCatalogue::open(folder).await {
        Ok(catalogue) => {
            assert_eq!(&rows(&catalogue).await, wanted, "{harm}");
            catalogue.close().await.unwrap();
            let again = open(folder).await;
            assert_eq!(&rows(&again).await, wanted, "{harm}, opened again");
            again.close().await.unwrap();
            true
        }
        Err(e) => {
            assert!(e.to_string().contains("catalogue."), "{harm}: {e}");
            false
        }
    }
}

fn file_names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn damaged_copy(source: &Path, name: &str, harm: impl FnOnce(&mut Vec<u8>)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_files(source, copy.path());
    let path = copy.path().join(name);
    let mut bytes = fs::read(&path).unwrap();
    harm(&mut bytes);
    fs::write(&path, bytes).unwrap();
    copy
}

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract::all(&open(folder.path()).await).await;
}

#[tokio::test]
async fn answered_changes_are_there_after_a_crash() {
    let (folder, wanted) = crashed_folder().await;
    assert_eq!(file_names(folder.path()), ["catalogue.db", "catalogue.db-wal", "catalogue.journal"]);
    assert!(all_there_or_refused(folder.path(), &wanted, "nothing").await);
}

#[tokio::test]
async fn a_flipped_byte_anywhere_loses_no_row() {
    let (folder, wanted) = crashed_folder().await;
    let (mut opened, mut refused) = (0, 0);
    for name in file_names(folder.path()) {
        let len = fs::metadata(folder.path().join(&name)).unwrap().len() as usize;
        // Every byte of the first kilobyte, which holds the heads; then a sample.
        let step = if std::env::var_os("SLUICE_EXHAUSTIVE").is_some() { 1 } else { len / 150 + 1 };
        let places = (0..len.min(128)).chain((128..len).step_by(step));
        for offset in places {
            let mask = 1u8 << (offset % 8);
            let harm = format!("{name}: byte {offset} of {len} ^ {mask:#x}");
            let copy = damaged_copy(folder.path(), &name, |bytes| bytes[offset] ^= mask).await;
            if all_there_or_refused(copy.path(), &wanted, &harm).await {
                opened += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(refused * 20 < opened, "one damaged file is mended, not refused: {refused} of {opened}");
}

#[tokio::test]
async fn a_cut_or_missing_file_loses_no_row() {
    let (folder, wanted) = crashed_folder().await;
    for name in file_names(folder.path()) {
        let len = fs::metadata(folder.path().join(&name)).unwrap().len() as usize;
        for cut in (0..len).step_by(len / 40 + 1).chain([len - 1]) {
            let harm = format!("{name}: cut to {cut} of {len}");
            let copy = damaged_copy(folder.path(), &name, |bytes| bytes.truncate(cut)).await;
            assert!(all_there_or_refused(copy.path(), &wanted, &harm).await, "{harm}");
        }
        let copy = damaged_copy(folder.path(), &name, |_| ()).await;
        fs::remove_file(copy.path().join(&name)).unwrap();
        assert!(all_there_or_refused(copy.path(), &wanted, &format!("{name} is missing")).await);
    }
}

#[tokio::test]
async fn two_damaged_copies_are_refused_by_name() {
    let (folder, _) = crashed_folder().await;
    let copy = damaged_copy(folder.path(), "catalogue.db", |bytes| bytes[5000..6000].fill(0xaa)).await;
    fs::remove_file(copy.path().join("catalogue.db-wal")).unwrap();
    let copy = damaged_copy(copy.path(), "catalogue.journal", |bytes| bytes[600] ^= 1).await;
    let text = SqliteCatalogue::open(copy.path()).await.err().unwrap().to_string();
    assert!(text.contains("catalogue.db: ") && text.contains("catalogue.journal: "), "{text}");
}

#[tokio::test]
async fn a_damaged_database_is_put_aside() {
    // Closed, so that no -wal file has a newer copy of the first page.
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 3).await;
    let wanted = rows(&catalogue).await;
    catalogue.close().await.unwrap();
    let copy = damaged_copy(folder.path(), "catalogue.db", |bytes| bytes[0] ^= 1).await;
    assert!(all_there_or_refused(copy.path(), &wanted, "first byte").await);
    assert!(file_names(copy.path()).contains(&"catalogue.db.damaged".to_owned()));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path()).await;
    let second = SqliteCatalogue::open(folder.path()).await;
    assert!(matches!(second, Err(OpenCatalogueError::InUse(_))), "{:?}", second.err());
}

#[tokio::test]
async fn a_long_journal_is_made_short_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    let mut customer = CatalogueSample::new(1).customer;
    let mut longest = 0;
    for batch in 0..50u32 {
        let changes: Vec<_> = (0..128u32)
            .map(|n| {
                customer.rate_limit_per_second = batch * 128 + n;
                let (catalogue, customer) = (catalogue.clone(), customer.clone());
                tokio::spawn(async move { catalogue.put_customer(&customer).await })
            })
            .collect();
        for change in changes {
            change.await.unwrap().unwrap();
        }
        longest = longest.max(fs::metadata(folder.path().join("catalogue.journal")).unwrap().len());
        // Else the audit log's rows would rightly keep the journal long.
        if batch % 10 == 9 {
            trim(&catalogue, 0).await;
        }
    }
    let wanted = rows(&catalogue).await;
    catalogue.close().await.unwrap();
    let (contents, condition) = journal::load(&folder.path().join("catalogue.journal")).unwrap();
    assert_eq!(condition, journal::JournalCondition::Intact);
    assert!(contents.revision > 2 * 6400, "a row and an entry for each change: {}", contents.revision);
    assert!(contents.frames < 4096, "{} frames", contents.frames);
    assert!(longest < 2_500_000, "{longest}");
    assert!(all_there_or_refused(folder.path(), &wanted, "nothing").await);
}

#[tokio::test]
async fn a_change_only_the_journal_has_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 1).await;
    let before = tempfile::tempdir().unwrap();
    copy_files(folder.path(), before.path());
    let late = CatalogueSample::new(9).customer;
    catalogue.put_customer(&late).await.unwrap();
    let wanted = rows(&catalogue).await;
    fs::copy(folder.path().join("catalogue.journal"), before.path().join("catalogue.journal")).unwrap();
    assert!(all_there_or_refused(before.path(), &wanted, "a crash before the commit").await);
}

#[tokio::test]
async fn a_deleted_journal_is_written_anew_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 2).await;
    let journal = folder.path().join("catalogue.journal");
    fs::remove_file(&journal).unwrap();
    // The change is refused, because it would be lost with the deleted file.
    let refused = catalogue.put_customer(&CatalogueSample::new(7).customer).await;
    assert!(refused.is_err(), "{refused:?}");
    let known = rows(&catalogue).await;
    catalogue.put_customer(&CatalogueSample::new(8).customer).await.unwrap();
    assert!(journal.exists());
    let wanted = rows(&catalogue).await;
    assert_eq!(wanted.len(), known.len() + 2, "a customer and its entry");
    catalogue.close().await.unwrap();
    // The journal alone has everything.
    fs::remove_file(folder.path().join("catalogue.db")).unwrap();
    let catalogue = open(folder.path()).await;
    assert_eq!(rows(&catalogue).await, wanted);
    catalogue.close().await.unwrap();
}

#[tokio::test]
async fn a_catalogue_from_before_event_types_is_read_and_takes_some() {
    let folder = tempfile::tempdir().unwrap();
    let sample = CatalogueSample::new(1);
    let path = folder.path().join("catalogue.db");
    let mut connection = database::connect_without_event_types(&path).await;
    let old = [
        CatalogueRow::Customer(sample.customer.clone()),
        CatalogueRow::Key(sample.key.clone()),
        CatalogueRow::Subscription(sample.subscription.clone()),
    ];
    let mut digest = CatalogueDigest::default();
    for (row, revision) in old.iter().zip(1..) {
        let row = StoredRow::new(row, revision);
        assert!(database::replace_row(&mut connection, None, &row, &mut digest).await.unwrap());
    }
    database::write_digest(&mut connection, 3, digest).await.unwrap();
    database::close(connection).await.unwrap();

    let catalogue = open(folder.path()).await;
    let before = catalogue.changes(Revision(0)).await.unwrap();
    assert_eq!((before.revision, &before.keys), (Revision(3), &vec![sample.key.clone()]));
    let twin = ApiKey { id: ApiKeyId::new(9), ..sample.key };
    assert!(catalogue.put_key(&twin).await.is_err(), "hashes of keys stay unique");
    catalogue.put_event_type(&sample.event_type).await.unwrap();
    let wanted = rows(&catalogue).await;
    catalogue.close().await.unwrap();
    assert!(all_there_or_refused(folder.path(), &wanted, "nothing").await);
}

#[tokio::test]
async fn a_trimmed_audit_log_is_whole_in_both_copies() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 4).await;
    let whole = audit(&catalogue).await;
    trim(&catalogue, 7).await;
    let left = audit(&catalogue).await;
    assert_eq!(left.len(), 7);
    assert!(left.iter().all(|entry| whole.contains(entry)));
    // Later changes are made, and a crash at any time finds equal copies.
    fill(&catalogue, 1).await;
    let wanted = rows(&catalogue).await;
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder.path(), copy.path());
    assert!(all_there_or_refused(copy.path(), &wanted, "a crash after a trim").await);
    for lost in ["catalogue.journal", "catalogue.db"] {
        let copy = damaged_copy(folder.path(), lost, |bytes| bytes.truncate(0)).await;
        if lost == "catalogue.db" {
            fs::remove_file(copy.path().join("catalogue.db-wal")).unwrap();
        }
        assert!(all_there_or_refused(copy.path(), &wanted, &format!("{lost} is lost")).await, "{lost}");
    }
    catalogue.close().await.unwrap();
}

#[tokio::test]
async fn a_crash_between_a_trim_and_its_journal_brings_no_entry_back() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 2).await;
    let before = tempfile::tempdir().unwrap();
    copy_files(folder.path(), before.path());
    trim(&catalogue, 3).await;
    let wanted = rows(&catalogue).await;
    catalogue.close().await.unwrap();
    // The database from after the trim, with the journal from before it.
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder.path(), copy.path());
    fs::copy(before.path().join("catalogue.journal"), copy.path().join("catalogue.journal")).unwrap();
    assert!(all_there_or_refused(copy.path(), &wanted, "a crash between the two").await);
}

#[tokio::test]
async fn a_change_and_its_entry_are_taken_over_from_the_journal_together() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 1).await;
    let before = tempfile::tempdir().unwrap();
    copy_files(folder.path(), before.path());
    let journal = folder.path().join("catalogue.journal");
    let known = fs::metadata(&journal).unwrap().len() as usize;
    catalogue.put_customer(&CatalogueSample::new(9).customer).await.unwrap();
    let (wanted, bytes) = (rows(&catalogue).await, fs::read(&journal).unwrap());
    // A crash while the frames of the change and its entry are written: whichever bytes
    // reached the disk, both rows are there or neither.
    for end in (known..=bytes.len()).step_by(7).chain([bytes.len()]) {
        let copy = tempfile::tempdir().unwrap();
        copy_files(before.path(), copy.path());
        fs::write(copy.path().join("catalogue.journal"), &bytes[..end]).unwrap();
        let opened = open(copy.path()).await;
        let found = rows(&opened).await;
        let customers = found.keys().filter(|key| key.starts_with('c')).count();
        let made = audit(&opened).await.iter().filter(|entry| entry.action == "customer.created").count();
        assert_eq!(customers, made, "cut at {end} of {}", bytes.len());
        assert!(end < bytes.len() || found == wanted);
        opened.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_catalogue_of_before_the_audit_log_is_read_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = open(folder.path()).await;
    fill(&catalogue, 2).await;
    trim(&catalogue, 0).await;
    let wanted = rows(&catalogue).await;
    catalogue.close().await.unwrap();
    database::undo_audit(&folder.path().join("catalogue.db")).await;
    let catalogue = open(folder.path()).await;
    assert_eq!(rows(&catalogue).await, wanted);
    catalogue.put_customer(&CatalogueSample::new(5).customer).await.unwrap();
    assert_eq!(audit(&catalogue).await.len(), 1);
    catalogue.close().await.unwrap();
}
