use super::*;
use crate::segments::tests::memory_dir;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

type KvModel = BTreeMap<Vec<u8>, Vec<u8>>;

fn settings() -> KvSettings {
    KvSettings { segment_bytes: 4096, linger: Duration::ZERO, cache_bytes: 1 << 20, flush_bytes: 8192 }
}

fn temporary() -> TempDir {
    tempfile::tempdir_in(memory_dir()).unwrap()
}

fn open(dir: &TempDir) -> Kv {
    Kv::open(dir.path(), &settings()).unwrap()
}

async fn put(kv: &Kv, key: &[u8], value: &[u8]) {
    change(kv, vec![(key.to_vec(), Some(value.to_vec()))]).await;
}

async fn change(kv: &Kv, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    let stage = move |staged: &mut StagedChanges<'_>| {
        for (key, value) in changes {
            match value {
                Some(value) => staged.put(key, value),
                None => staged.remove(key),
            }
        }
        Ok(())
    };
    kv.update(stage).await.unwrap();
}

fn all(kv: &Kv) -> Result<KvModel, PortError> {
    let mut found = KvModel::new();
    kv.view().scan(&[], &[], |key, value| {
        found.insert(key.to_vec(), value.to_vec());
        Ok(true)
    })?;
    for (key, value) in &found {
        assert_eq!(kv.view().get(key)?.as_deref(), Some(&value[..]), "gets agree with scans");
    }
    Ok(found)
}

/// Opens as the engine does: a second time if the first finds the cache unreadable.
fn open_and_read(dir: &Path) -> (KvModel, Vec<String>) {
    let kv = Kv::open(dir, &settings()).unwrap();
    let (read, findings) = (all(&kv), kv.findings().to_vec());
    kv.close();
    read.map(|read| (read, findings)).unwrap_or_else(|_damaged| {
        let kv = Kv::open(dir, &settings()).unwrap();
        let read = all(&kv).unwrap();
        kv.close();
        (read, kv.findings().to_vec())
    })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // A file may be deleted while others write.
        let _gone = std::fs::copy(&file, &target);
    }
}

/// A store with several ledger segments, tables and removed keys.
async fn sample(dir: &TempDir, end: impl FnOnce(&Kv)) -> KvModel {
    let (kv, mut model) = (open(dir), KvModel::new());
    for i in 0..600u32 {
        let key = (i * 7 % 150).to_be_bytes().to_vec();
        let value = (i % 5 != 0).then(|| vec![i as u8; 40]);
        match &value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(&key),
        };
        change(&kv, vec![(key, value)]).await;
    }
    end(&kv);
    model
}

#[tokio::test]
async fn committed_changes_are_there_after_a_restart() {
    let dir = temporary();
    let model = sample(&dir, Kv::close).await;
    assert_eq!(open_and_read(dir.path()), (model, vec![]));
}

#[tokio::test]
async fn committed_changes_are_there_after_a_crash() {
    let (dir, crashed) = (temporary(), temporary());
    let model = sample(&dir, |_| copy(dir.path(), crashed.path())).await;
    assert_eq!(open_and_read(crashed.path()).0, model);
}

#[tokio::test]
async fn nothing_is_lost_by_any_flipped_byte_of_any_file() {
    // A prime stride meets every kind of field; 1 flips every byte, in some minutes.
    let stride = option_env!("SLUICE_FLIP_STRIDE").map_or(41, |stride| stride.parse().unwrap());
    let (dir, case) = (temporary(), temporary());
    let model = sample(&dir, Kv::close).await;
    for file in files(dir.path()) {
        let name = file.strip_prefix(dir.path()).unwrap();
        if name.ends_with("prepared.tmp") {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        let stride = if whole.len() < 1000 { 1 } else { stride };
        for offset in (0..whole.len()).step_by(stride) {
            durable_file::remove_dir(case.path()).unwrap();
            copy(dir.path(), case.path());
            let mut bad = whole.clone();
            bad[offset] ^= 0x81;
            std::fs::write(case.path().join(name), bad).unwrap();
            let (read, findings) = open_and_read(case.path());
            assert!(read == model, "{} byte {offset}: {findings:?}", name.display());
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_by_any_missing_or_cut_file() {
    let (dir, case) = (temporary(), temporary());
    let model = sample(&dir, Kv::close).await;
    for file in files(dir.path()) {
        let name = file.strip_prefix(dir.path()).unwrap();
        let len = std::fs::metadata(&file).unwrap().len();
        for kept in [None, Some(0), Some(1), Some(len / 2), Some(len.saturating_sub(1))] {
            durable_file::remove_dir(case.path()).unwrap();
            copy(dir.path(), case.path());
            let path = case.path().join(name);
            match kept {
                None => std::fs::remove_file(&path).unwrap(),
                Some(len) => std::fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap(),
            }
            let (read, findings) = open_and_read(case.path());
            assert!(read == model, "{} cut to {kept:?}: {findings:?}", name.display());
            // The cache may hold files that it no longer needs.
            let harmless = name.ends_with("prepared.tmp") || name.starts_with("cache") || kept == Some(len);
            assert!(harmless || !findings.is_empty(), "{} cut to {kept:?} goes unnoticed", name.display());
        }
    }
}

#[tokio::test]
async fn the_ledger_alone_tells_everything() {
    let dir = temporary();
    let model = sample(&dir, Kv::close).await;
    std::fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert_eq!(open_and_read(dir.path()).0, model);
}

#[tokio::test]
async fn damage_in_the_ledger_is_healed_from_the_cache() {
    let dir = temporary();
    let model = sample(&dir, Kv::close).await;
    // The newest segment is checked at each start.
    let segment =
        files(&dir.path().join("ledger")).into_iter().rfind(|f| f.extension().is_some_and(|e| e == "seg"));
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let kv = open(&dir);
    assert!(kv.findings()[0].contains("damaged from byte 64 to"), "{:?}", kv.findings());
    kv.compact().await.unwrap();
    kv.close();
    std::fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert_eq!(open_and_read(dir.path()).0, model);
}

#[tokio::test]
async fn the_ledger_stays_small_and_forgets_nothing() {
    let dir = temporary();
    let (kv, mut model) = (open(&dir), KvModel::new());
    put(&kv, b"never changed", b"still true").await;
    put(&kv, b"removed", b"at once").await;
    change(&kv, vec![(b"removed".to_vec(), None)]).await;
    model.insert(b"never changed".to_vec(), b"still true".to_vec());
    for i in 0..3000u32 {
        let (key, value) = ((i % 20).to_be_bytes().to_vec(), vec![i as u8; 100]);
        put(&kv, &key, &value).await;
        model.insert(key, value);
        if i % 50 == 0 {
            kv.compact().await.unwrap();
        }
    }
    kv.compact().await.unwrap();
    let (written, kept) = (3000 * 150, kv.segments.all().iter().map(|segment| segment.size).sum::<u64>());
    assert!(kept < written / 4, "{kept} bytes of ledger after writing about {written}");
    kv.close();
    let (read, findings) = open_and_read(dir.path());
    assert_eq!((read, findings), (model.clone(), vec![]));
    std::fs::remove_dir_all(dir.path().join("cache")).unwrap();
    assert_eq!(open_and_read(dir.path()).0, model);
}

#[tokio::test]
async fn a_change_that_fails_leaves_nothing() {
    let dir = temporary();
    let kv = open(&dir);
    let failing = |staged: &mut StagedChanges<'_>| {
        staged.put(b"half".to_vec(), b"done".to_vec());
        Err::<(), _>(PortError::Closed { attempted: "the test".into() })
    };
    assert!(kv.update(failing).await.is_err());
    put(&kv, b"other", b"change").await;
    assert_eq!(all(&kv).unwrap().keys().collect::<Vec<_>>(), [b"other"]);
    kv.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_refused_while_the_disk_refuses_them() {
    let dir = temporary();
    let kv = open(&dir);
    put(&kv, b"before", b"1").await;
    let ledger = dir.path().join("ledger");
    std::fs::remove_dir_all(&ledger).unwrap();
    let set = |key: &'static [u8]| {
        move |staged: &mut StagedChanges<'_>| {
            staged.put(key.to_vec(), b"2".to_vec());
            Ok(())
        }
    };
    // The thread has taken the first change; the second is refused at once.
    for key in [&b"in hand"[..], b"refused"] {
        let refused = kv.update(set(key)).await.unwrap_err();
        assert!(matches!(refused, PortError::Unavailable { .. }), "{refused}");
    }
    assert!(kv.failing().is_some());
    assert_eq!(kv.view().get(b"before").unwrap().as_deref(), Some(&b"1"[..]), "reading goes on");
    std::fs::create_dir(&ledger).unwrap();
    while kv.failing().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    put(&kv, b"after", b"3").await;
    // Everything is written again, so the cache can be lost.
    kv.compact().await.unwrap();
    kv.close();
    std::fs::remove_dir_all(dir.path().join("cache")).unwrap();
    let (read, _) = open_and_read(dir.path());
    let keys: Vec<&[u8]> = read.keys().map(Vec::as_slice).collect();
    assert_eq!(keys, [&b"after"[..], b"before", b"in hand"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_many_writers_see_each_other() {
    let dir = temporary();
    let kv = Arc::new(open(&dir));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let writers: Vec<_> = (0..50)
        .map(|_| {
            let (kv, seen) = (kv.clone(), seen.clone());
            tokio::spawn(async move {
                for _ in 0..20 {
                    let count = |staged: &mut StagedChanges<'_>| {
                        let count = staged
                            .get(b"count")?
                            .map_or(0, |value| u64::from_be_bytes(value[..].try_into().unwrap()));
                        staged.put(b"count".to_vec(), (count + 1).to_be_bytes().to_vec());
                        Ok(count + 1)
                    };
                    let seen = seen.clone();
                    kv.update_then(count, move |count| seen.lock().push(*count)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(seen.lock().iter().copied().eq(1..=1000), "what follows a change runs in order");
    kv.close();
    assert_eq!(open_and_read(dir.path()).0[&b"count"[..]], 1000u64.to_be_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_were_answered_before_closing_are_kept() {
    let dir = temporary();
    let kv = Arc::new(open(&dir));
    let writers: Vec<_> = (0..8u8)
        .map(|writer| {
            let kv = kv.clone();
            tokio::spawn(async move {
                for i in 0u32.. {
                    let mut key = vec![writer];
                    key.extend_from_slice(&i.to_be_bytes());
                    let stage = move |staged: &mut StagedChanges<'_>| {
                        staged.put(key, vec![1; 30]);
                        Ok(())
                    };
                    match kv.update(stage).await {
                        Ok(()) => {}
                        Err(PortError::Closed { .. }) => return i,
                        Err(error) => panic!("{error}"),
                    }
                }
                unreachable!()
            })
        })
        .collect();
    while all(&kv).unwrap().len() < 500 {
        tokio::task::yield_now().await;
    }
    let closing = kv.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    let mut answered = Vec::new();
    for writer in writers {
        answered.push(writer.await.unwrap());
    }
    let (read, _) = open_and_read(dir.path());
    for (writer, count) in answered.into_iter().enumerate() {
        for i in 0..count {
            let mut key = vec![writer as u8];
            key.extend_from_slice(&i.to_be_bytes());
            assert!(read.contains_key(&key), "writer {writer}, change {i} of {count}");
        }
    }
}

#[derive(Debug, Clone)]
enum KvAction {
    Change(Vec<(u8, Option<u8>)>),
    Compact,
    Reopen,
    Crash,
}

fn action() -> impl Strategy<Value = KvAction> {
    let changes = prop::collection::vec((0u8..40, prop::option::weighted(0.7, any::<u8>())), 0..12);
    prop_oneof![
        20 => changes.prop_map(KvAction::Change),
        2 => Just(KvAction::Compact),
        1 => Just(KvAction::Reopen),
        1 => Just(KvAction::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_store_is_a_map_that_survives(actions in prop::collection::vec(action(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut model = KvModel::new();
            let mut dir = temporary();
            let mut kv = open(&dir);
            for action in actions {
                match action {
                    KvAction::Change(changes) => {
                        let rows = changes.iter().map(|(key, value)| {
                            (vec![*key], value.map(|value| vec![value; 60]))
                        });
                        let rows: Vec<_> = rows.collect();
                        for (key, value) in rows.clone() {
                            match value {
                                Some(value) => model.insert(key, value),
                                None => model.remove(&key),
                            };
                        }
                        change(&kv, rows).await;
                    }
                    KvAction::Compact => kv.compact().await.unwrap(),
                    KvAction::Reopen => {
                        kv.close();
                        kv = open(&dir);
                        assert_eq!(kv.findings(), &[] as &[String]);
                    }
                    KvAction::Crash => {
                        let image = temporary();
                        copy(dir.path(), image.path());
                        kv.close();
                        kv = open(&image);
                        dir = image;
                    }
                }
                assert_eq!(all(&kv).unwrap(), model);
            }
            kv.close();
        });
    }
}
