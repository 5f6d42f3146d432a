use super::*;
use crate::segment_writer::{SegmentWriter, WriteError};
use proptest::prelude::*;
use tempfile::TempDir;

const SEGMENT_BYTES: u64 = 4096;

/// A log, and its acknowledged frames by LSN.
struct LogModel {
    dir: TempDir,
    acknowledged: BTreeMap<u64, Vec<u8>>,
}

fn payload(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seed * 131 + i * 7 + 1) as u8).collect()
}

fn open_writer(dir: &Path, beyond: u64) -> (Arc<LogSegments>, SegmentWriter, Vec<String>) {
    let (segments, recovered) = LogSegments::open(dir).unwrap();
    let segments = Arc::new(segments);
    let writer = SegmentWriter::start(segments.clone(), &recovered, beyond, SEGMENT_BYTES, 0).unwrap();
    (segments, writer, recovered.findings)
}

impl LogModel {
    fn new() -> Self {
        Self { dir: tempfile::tempdir_in(memory_dir()).unwrap(), acknowledged: BTreeMap::new() }
    }

    /// A model with frames of these lengths.
    fn with(lens: &[usize]) -> Self {
        let mut model = Self::new();
        let (_, mut writer, _) = open_writer(model.dir.path(), 0);
        for len in lens {
            model.append(&mut writer, *len);
        }
        model
    }

    fn append(&mut self, writer: &mut SegmentWriter, len: usize) {
        let payload = payload(self.acknowledged.len(), len);
        let appended = writer.append(|out| out.extend_from_slice(&payload)).unwrap();
        self.acknowledged.insert(appended.lsn, payload);
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Opens the log and reads it. Returns how many acknowledged frames are there, which are
    /// missing, and the reported damage. Other frames may not be there.
    fn read(&self, from: u64) -> (usize, Vec<u64>, Vec<String>) {
        let (segments, recovered) = LogSegments::open(self.dir.path()).unwrap();
        let (frames, damage) = read_all(&segments, from);
        for (lsn, payload) in &frames {
            assert_eq!(self.acknowledged.get(lsn), Some(payload), "the frame at {lsn} was never written");
        }
        let wanted = self.acknowledged.range(from..);
        let missing = wanted.map(|(lsn, _)| *lsn).filter(|lsn| !frames.contains_key(lsn)).collect();
        (frames.len(), missing, recovered.findings.into_iter().chain(damage).collect())
    }
}

/// A directory in which flipping thousands of bytes does not wait for a disk.
pub(crate) fn memory_dir() -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    if shared.is_dir() { shared } else { std::env::temp_dir() }
}

fn read_all(segments: &LogSegments, from: u64) -> (BTreeMap<u64, Vec<u8>>, Vec<String>) {
    let (mut frames, mut damage, mut lsn) = (BTreeMap::new(), Vec::new(), from);
    loop {
        let next = match segments.read(lsn).unwrap() {
            LogStep::End => return (frames, damage),
            LogStep::Frame { lsn, next, payload } => {
                frames.insert(lsn, payload.to_vec());
                next
            }
            LogStep::Damaged { next, detail, .. } => {
                damage.push(detail);
                next
            }
        };
        assert!(next > lsn, "reading goes forward");
        lsn = next;
    }
}

/// Three segments, the last half full, and an oversized one among them.
fn sample() -> LogModel {
    let model = LogModel::with(&[600, 0, 7, 2000, 900, 64, 2000, 12_100, 1600, 600, 1, 40]);
    assert!(model.files().iter().filter(|file| file.extension().is_some_and(|e| e == "seg")).count() >= 4);
    model
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn appended_frames_are_read_and_nothing_is_found_damaged() {
    let model = sample();
    let (count, missing, findings) = model.read(0);
    assert_eq!((count, missing, findings), (12, vec![], vec![]));
}

#[test]
fn any_flipped_byte_costs_one_frame_at_the_most_and_is_named() {
    let model = sample();
    for path in model.files() {
        let whole = std::fs::read(&path).unwrap();
        for offset in 0..whole.len() {
            let mut bad = whole.clone();
            bad[offset] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let (_, missing, findings) = model.read(0);
            let case = format!("{} byte {offset}: {findings:?}", name(&path));
            assert!(missing.len() <= 1, "{case}: lost {missing:?}");
            if !missing.is_empty() {
                let base: u64 = name(&path).trim_end_matches(".seg").parse().unwrap();
                let named = findings.iter().any(|finding| {
                    let range = finding.rsplit_once("byte ").and_then(|(_, range)| range.split_once(" to "));
                    let ends = range.map(|(from, to)| {
                        let to: String = to.chars().take_while(char::is_ascii_digit).collect();
                        (from.parse::<u64>().unwrap(), to.parse::<u64>().unwrap())
                    });
                    finding.contains(&name(&path))
                        && ends.is_some_and(|(from, to)| (from..to).contains(&(missing[0] - base)))
                });
                assert!(named, "{case}: frame {} is not named", missing[0]);
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn any_cut_file_is_named_and_what_is_before_the_cut_stays() {
    let model = sample();
    for path in model.files().iter().filter(|path| name(path).ends_with(".seg")) {
        let whole = std::fs::read(path).unwrap();
        for len in (0..whole.len()).step_by(3) {
            std::fs::write(path, &whole[..len]).unwrap();
            let (_, missing, findings) = model.read(0);
            assert!(
                findings.iter().any(|finding| finding.contains(&name(path)) && finding.contains("cut")),
                "{} cut to {len}: {findings:?}",
                name(path)
            );
            let base: u64 = name(path).trim_end_matches(".seg").parse().unwrap();
            let lost = |lsn: &u64| *lsn >= base && *lsn < base + whole.len() as u64;
            assert!(missing.iter().all(lost), "a cut costs nothing of other files");
            let whole_before =
                |lsn: &u64| lsn + 32 + model.acknowledged[lsn].len() as u64 <= base + len as u64;
            if len >= 64 {
                assert!(!missing.iter().any(whole_before), "{} cut to {len}: {missing:?}", name(path));
            }
        }
        std::fs::write(path, &whole).unwrap();
    }
}

#[test]
fn any_missing_file_is_named_to_openers_and_readers() {
    // The next segment is a file of its own only if it was made before the writer ended.
    let files: Vec<String> = sample().files().iter().map(|path| name(path)).collect();
    for file in files.into_iter().filter(|file| !file.ends_with(".tmp")) {
        let model = sample();
        std::fs::remove_file(model.dir.path().join(&file)).unwrap();
        let (segments, mut writer, findings) = open_writer(model.dir.path(), 0);
        assert!(!findings.is_empty(), "{file} is missing and nobody noticed");
        if file.ends_with(".seg") {
            // Once the log grows, its reader is told too.
            let appended = writer.append(|out| out.extend_from_slice(b"new")).unwrap();
            let (_, damage) = read_all(&segments, 0);
            assert!(damage.iter().any(|detail| detail.contains("missing")), "{file}: {damage:?}");
            let newest = *model.acknowledged.keys().next_back().unwrap();
            assert!(appended.lsn > newest, "a new frame never takes the place of a lost one");
        }
    }
}

#[test]
fn a_frame_torn_at_any_byte_loses_nothing_before_it_and_the_log_goes_on() {
    let lens = [100, 250, 700];
    let whole = LogModel::with(&lens);
    let last = *whole.acknowledged.keys().next_back().unwrap();
    for kept in 0..(32 + 700) {
        let mut torn = LogModel::with(&lens);
        let path = segment_path(torn.dir.path(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[last as usize + kept..].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        torn.acknowledged.remove(&last);
        let (segments, mut writer, _) = open_writer(torn.dir.path(), 0);
        for len in [10, 600] {
            torn.append(&mut writer, len);
        }
        drop((segments, writer));
        let (count, missing, findings) = torn.read(0);
        assert_eq!((count, missing), (4, vec![]), "torn after {kept} bytes");
        assert_eq!(findings.is_empty(), kept == 0, "torn after {kept} bytes: {findings:?}");
    }
}

#[test]
fn deleted_segments_are_not_missing_but_lost_ones_are() {
    let mut model = sample();
    let (segments, _writer, _) = open_writer(model.dir.path(), 0);
    let oldest = segments.all()[0].clone();
    segments.remove_oldest(oldest.base).unwrap();
    drop((segments, _writer));
    model.acknowledged.retain(|lsn, _| *lsn >= oldest.limit());
    for from in [0, 64, oldest.end()] {
        let (_, missing, findings) = model.read(from);
        assert_eq!((missing, findings), (vec![], vec![]), "from {from}");
    }
    // The next segment is lost: a reader from before it, or from the start, is told.
    let lost = LogSegments::open(model.dir.path()).unwrap().0.all()[0].clone();
    std::fs::remove_file(segment_path(model.dir.path(), lost.base)).unwrap();
    for from in [0, oldest.end(), lost.base + 100] {
        let (segments, recovered) = LogSegments::open(model.dir.path()).unwrap();
        assert!(recovered.findings.iter().any(|finding| finding.contains("missing")));
        let (_, damage) = read_all(&segments, from);
        assert!(damage[0].contains("missing"), "from {from}: {damage:?}");
    }
}

#[test]
fn the_newest_segment_stays_whatever_is_asked() {
    let model = LogModel::with(&[10]);
    let (segments, _writer, _) = open_writer(model.dir.path(), 0);
    segments.remove_oldest(0).unwrap();
    assert_eq!(model.read(0).0, 1);
}

#[test]
fn new_frames_go_above_what_was_read_before() {
    let model = LogModel::with(&[10, 20]);
    let (segments, mut writer, _) = open_writer(model.dir.path(), 10_000);
    let appended = writer.append(|out| out.push(1)).unwrap();
    assert!(appended.lsn >= 10_000);
    let (_, damage) = read_all(&segments, 0);
    assert!(damage[0].contains("missing"), "the gap is named: {damage:?}");
}

/// The content of a segment's open file, whether or not it was deleted.
fn content(segment: &LogSegment) -> Vec<u8> {
    let mut bytes = vec![0; segment.size as usize];
    let read = read_up_to(&segment.file, &mut bytes, 0).unwrap();
    bytes.truncate(read);
    bytes
}

#[test]
fn a_failed_write_is_not_in_the_log_once_a_new_segment_says_so() {
    let mut model = LogModel::new();
    let (segments, mut writer, _) = open_writer(model.dir.path(), 0);
    model.append(&mut writer, 100);
    let first = segments.last().unwrap();
    let path = segment_path(model.dir.path(), first.base);
    // A write to a deleted file fails, although its bytes arrive.
    std::fs::remove_file(&path).unwrap();
    let failed = writer.append(|out| out.extend_from_slice(b"perhaps"));
    assert!(matches!(failed, Err(WriteError::NotTaken(_))), "{failed:?}");
    assert!(!writer.is_undecided());
    std::fs::write(&path, content(&first)).unwrap();
    model.append(&mut writer, 200);
    model.append(&mut writer, 300);
    assert_eq!(segments.all().len(), 2, "the failed segment is not written again");
    let (frames, damage) = read_all(&segments, 0);
    assert_eq!((frames.len(), damage), (3, vec![]));
    drop((segments, writer));
    let (count, missing, findings) = model.read(0);
    assert_eq!((count, missing, findings), (3, vec![], vec![]));
}

#[test]
fn a_failed_write_is_undecided_while_no_segment_can_be_made() {
    let mut model = LogModel::new();
    let (segments, mut writer, _) = open_writer(model.dir.path(), 0);
    model.append(&mut writer, 100);
    // The next segment may be made while its directory is being emptied.
    while std::fs::remove_dir_all(model.dir.path()).is_err() && model.dir.path().exists() {
        std::thread::yield_now();
    }
    let failed = writer.append(|out| out.extend_from_slice(b"perhaps"));
    assert!(matches!(failed, Err(WriteError::Unknown(_))), "{failed:?}");
    let refused = writer.append(|out| out.extend_from_slice(b"no"));
    assert!(matches!(refused, Err(WriteError::NotTaken(_))), "{refused:?}");
    assert!(writer.is_undecided());
    std::fs::create_dir(model.dir.path()).unwrap();
    let again = std::iter::repeat_with(|| writer.append(|out| out.extend_from_slice(b"again")));
    let appended = again.inspect(|_| std::thread::yield_now()).find_map(Result::ok).unwrap();
    assert!(!writer.is_undecided());
    let (frames, _) = read_all(&segments, appended.base);
    assert_eq!(frames.into_values().collect::<Vec<_>>(), [b"again"]);
}

#[test]
fn a_new_segment_replaces_what_a_failed_try_left_in_its_place() {
    let mut model = LogModel::with(&[3900]);
    // The next segment's name is taken by an empty one, as if its note had failed.
    let (segments, mut writer, _) = open_writer(model.dir.path(), 0);
    std::fs::write(segment_path(model.dir.path(), SEGMENT_BYTES), vec![9; 100]).unwrap();
    model.append(&mut writer, 500);
    drop((segments, writer));
    let (count, missing, findings) = model.read(0);
    assert_eq!((count, missing, findings), (2, vec![], vec![]));
}

#[test]
fn a_frame_too_large_for_the_disk_is_refused_and_the_next_one_is_taken() {
    let mut model = LogModel::new();
    let (segments, recovered) = LogSegments::open(model.dir.path()).unwrap();
    let segments = Arc::new(segments);
    let free = crate::segment_prepare::free_bytes(model.dir.path()).unwrap();
    // Room for small segments, not for one of 64 MiB.
    let reserve = free - (32 << 20);
    let mut writer = SegmentWriter::start(segments.clone(), &recovered, 0, SEGMENT_BYTES, reserve).unwrap();
    model.append(&mut writer, 100);
    let refused = writer.append(|out| out.resize(64 << 20, 1));
    assert!(matches!(refused, Err(WriteError::NotTaken(_))), "{refused:?}");
    for _ in 0..4 {
        model.append(&mut writer, 3000);
    }
    drop((segments, writer));
    let (count, missing, findings) = model.read(0);
    assert_eq!((count, missing, findings), (5, vec![], vec![]));
}

#[derive(Debug, Clone)]
enum LogAction {
    Append(usize),
    Reopen,
    RemoveOldest,
}

fn action() -> impl Strategy<Value = LogAction> {
    prop_oneof![
        8 => (0usize..3000).prop_map(LogAction::Append),
        1 => (4100usize..12000).prop_map(LogAction::Append),
        2 => Just(LogAction::Reopen),
        1 => Just(LogAction::RemoveOldest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_log_holds_what_was_appended_whenever_it_is_opened(actions in prop::collection::vec(action(), 1..40)) {
        let mut model = LogModel::new();
        let mut open = open_writer(model.dir.path(), 0);
        for action in actions {
            match action {
                LogAction::Append(len) => model.append(&mut open.1, len),
                LogAction::Reopen => {
                    drop(open);
                    open = open_writer(model.dir.path(), 0);
                    prop_assert_eq!(&open.2, &Vec::<String>::new());
                }
                LogAction::RemoveOldest => {
                    if let [oldest, next, ..] = &open.0.all()[..] {
                        open.0.remove_oldest(oldest.base).unwrap();
                        model.acknowledged.retain(|lsn, _| *lsn >= next.base);
                    }
                }
            }
            let (frames, damage) = read_all(&open.0, 0);
            prop_assert_eq!(&frames, &model.acknowledged);
            prop_assert!(damage.is_empty(), "{:?}", damage);
        }
    }
}
