use super::*;

fn entry(stream: u32, first: u64, count: u32) -> LedgerEntry {
    LedgerEntry { run: 1, group: 0, stream, first, count, code: Code::Acknowledged }
}

fn read_all(path: &Path) -> Result<Vec<LedgerEntry>, LedgerError> {
    let mut reader = LedgerReader::open(path, LedgerKind::Sent)?;
    let mut entries = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        entries.extend(frame);
    }
    Ok(entries)
}

struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    fn append(&self, entries: &[LedgerEntry]) {
        let mut writer = LedgerWriter::open(&self.path(), LedgerKind::Sent).expect("a ledger");
        writer.append(entries).expect("written");
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).expect("the file")
    }
}

#[test]
fn the_format_stays_readable() {
    let fixture = Fixture::new();
    let received = LedgerEntry {
        run: 0x0102_0304_0506_0708,
        group: 0x1112_1314_1516_1718,
        stream: 0x2122_2324,
        first: 0x3132_3334_3536_3738,
        count: 0x4142_4344,
        code: Code::TakenAgain,
    };
    let mut writer = LedgerWriter::open(&fixture.path(), LedgerKind::Received).expect("a ledger");
    writer.append(&[received]).expect("written");
    let text: String = fixture.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        text,
        concat!(
            "534c554943454c4701020000379f17ee",
            "28000000155d0bcc",
            "08070605040302011817161514131211383736353433323124232221444342411200000000000000",
        )
    );
}

#[test]
fn a_reopened_ledger_goes_on() {
    let fixture = Fixture::new();
    fixture.append(&[entry(0, 0, 5)]);
    fixture.append(&[entry(0, 5, 1), entry(1, 0, 1)]);
    let expected = [entry(0, 0, 5), entry(0, 5, 1), entry(1, 0, 1)];
    assert_eq!(read_all(&fixture.path()).expect("readable"), expected);
}

#[test]
fn a_torn_last_frame_is_ignored_and_then_replaced() {
    let fixture = Fixture::new();
    fixture.append(&[entry(0, 0, 5)]);
    let one = fixture.bytes().len();
    fixture.append(&[entry(0, 5, 1)]);
    let two = fixture.bytes();
    for cut in one..two.len() {
        std::fs::write(fixture.path(), &two[..cut]).expect("written");
        assert_eq!(read_all(&fixture.path()).expect("readable"), [entry(0, 0, 5)]);
        fixture.append(&[entry(2, 0, 9)]);
        assert_eq!(read_all(&fixture.path()).expect("readable"), [entry(0, 0, 5), entry(2, 0, 9)]);
    }
}

#[test]
fn damage_before_the_last_frame_is_an_error() {
    let fixture = Fixture::new();
    fixture.append(&[entry(0, 0, 5)]);
    let one = fixture.bytes().len();
    fixture.append(&[entry(0, 5, 1)]);
    for at in HEADER_BYTES + 4..one {
        let mut bytes = fixture.bytes();
        bytes[at] ^= 0x40;
        let path = fixture.directory.path().join("damaged");
        std::fs::write(&path, bytes).expect("written");
        assert!(matches!(read_all(&path), Err(LedgerError::Damaged { at: 16, .. })));
    }
}

#[test]
fn another_kind_of_file_is_refused() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path(), "{\"not\": \"a ledger at all\"}").expect("written");
    assert!(matches!(read_all(&fixture.path()), Err(LedgerError::Header { .. })));
    let opened = LedgerWriter::open(&fixture.path(), LedgerKind::Sent);
    assert!(matches!(opened, Err(LedgerError::Header { .. })));
}

#[test]
fn a_buffer_joins_what_continues_and_keeps_each_streams_order() {
    let mut buffer = LedgerBuffer::default();
    for (slot, entry) in [
        (0, entry(0, 0, 2)),
        (1, entry(1, 0, 1)),
        (0, entry(0, 2, 3)),
        (0, entry(0, 9, 1)),
        (1, LedgerEntry { code: Code::Unknown, ..entry(1, 1, 1) }),
    ] {
        assert!(!buffer.note(slot, entry));
    }
    let mut entries = buffer.take();
    entries.sort_by_key(|entry| (entry.stream, entry.first));
    let unknown = LedgerEntry { code: Code::Unknown, ..entry(1, 1, 1) };
    assert_eq!(entries, [entry(0, 0, 5), entry(0, 9, 1), entry(1, 0, 1), unknown]);
    assert!(buffer.take().is_empty());
}

#[test]
fn a_full_buffer_asks_to_be_taken() {
    let mut buffer = LedgerBuffer::default();
    let full = (0..).find(|&nth| buffer.note(0, entry(0, nth * 2, 1)));
    assert_eq!(full, Some(FRAME_ENTRIES_MAX as u64));
}
