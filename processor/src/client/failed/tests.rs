use super::*;
use crate::testing::batch_id;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sluice_model::EventSet;
use std::io::Write as _;

const BYTES_MAX: usize = 256 * 1024;

/// Events 0 to 3 of a batch; event 7 is not of the delivery.
fn delivery() -> Vec<EventRef> {
    vec![EventRef { batch: batch_id(1, 1), events: EventSet::range(0, 4) }]
}

fn id(index: u16) -> EventId {
    batch_id(1, 1).event(index)
}

fn whole(bytes: impl Into<Vec<u8>>) -> AnswerBody {
    AnswerBody { bytes: bytes.into(), end: BodyEnd::Whole, bytes_max: BYTES_MAX, coding: None }
}

fn read(bytes: impl Into<Vec<u8>>) -> Result<Vec<EventId>, Unreadable> {
    failed_events(&whole(bytes), &delivery())
}

fn cut(bytes: impl Into<Vec<u8>>, end: BodyEnd) -> Result<Vec<EventId>, Unreadable> {
    failed_events(&AnswerBody { end, ..whole(bytes) }, &delivery())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn ids_and_objects_name_the_failed_events() {
    let (one, two) = (id(1), id(2));
    assert_eq!(read(format!(r#"{{"failed":["{one}","{two}"]}}"#)), Ok(vec![one, two]));
    let objects = format!(r#" {{"x":[1],"failed":[{{"event_id":"{one}","why":"no"}},"{two}"],"y":{{}}}} "#);
    assert_eq!(read(objects), Ok(vec![one, two]));
    let upper = one.to_string().to_uppercase();
    assert_eq!(read(format!(r#"{{"f\u0061iled":["{upper}"]}}"#)), Ok(vec![one]));
    assert_eq!(read(format!("\u{feff}{{\"failed\":[\"{one}\"]}}")), Ok(vec![one]));
    let behind = format!(r#"{{"log":"{}","failed":["{one}"]}}"#, "x".repeat(70 * 1024));
    assert_eq!(read(behind), Ok(vec![one]));
}

#[test]
fn an_answer_that_names_nothing_takes_all() {
    for body in [
        "",
        " \n",
        "ok",
        "<html>the build failed</html>",
        "{}",
        r#"{"status":"ok"}"#,
        r#"{"failed":[]}"#,
        r#"{"data":{"failed":[7]}}"#,
        r#"[{"failed":[7]}]"#,
        r#""failed""#,
        "{{ message }}",
        "[",
        "7",
        "\u{8}\0\"failed",
    ] {
        assert_eq!(read(body), Ok(vec![]), "{body}");
    }
}

#[test]
fn a_list_with_one_odd_entry_takes_nothing() {
    let one = id(1);
    for odd in [
        r#""not an id""#,
        "7",
        "null",
        "{}",
        r#"{"id":"x"}"#,
        "[]",
        r#""""#,
        &format!(r#"" {one}""#),
        &format!(r#"{{"event_id":["{one}"]}}"#),
        &format!("\"{}\"", id(7)),
        &format!("\"{}\"", batch_id(1, 2).event(0)),
    ] {
        let got = read(format!(r#"{{"failed":["{one}",{odd}]}}"#));
        assert!(matches!(got, Err(Unreadable::Stranger(_))), "{odd}: {got:?}");
    }
}

#[test]
fn a_failed_of_another_type_takes_nothing() {
    for other in ["7", "true", "null", "{}", r#""x""#, r#"{"event_id":"x"}"#] {
        assert_eq!(read(format!(r#"{{"failed":{other}}}"#)), Err(Unreadable::NotAList), "{other}");
    }
}

#[test]
fn what_is_nearly_json_and_speaks_of_failed_takes_nothing() {
    let one = id(1);
    for body in [
        format!(r#"{{"a":NaN,"failed":["{one}"]}}"#),
        format!(r#"{{"failed":["{one}",]}}"#),
        format!("{{'failed':['{one}']}}"),
        format!(r#"{{"failed":["{one}"],"failed":[]}}"#),
        format!("{{\"failed\":[\"{one}\"]}}\n{{\"failed\":[]}}"),
        format!("Warning: line 3\n{{\"failed\":[\"{one}\"]}}"),
    ] {
        let got = read(body.clone());
        assert!(matches!(got, Err(Unreadable::NotJson(_))), "{body}: {got:?}");
    }
}

#[test]
fn an_object_that_is_cut_off_takes_nothing() {
    let broke = || BodyEnd::CutOff("the connection broke".into());
    assert!(matches!(cut(r#"{"status":"ok","fai"#, broke()), Err(Unreadable::CutOff(_))));
    assert!(matches!(cut("  ", broke()), Err(Unreadable::CutOff(_))));
    assert_eq!(cut(r#"{"status""#, BodyEnd::TooLong), Err(Unreadable::TooLong(BYTES_MAX)));
    assert_eq!(cut(" ", BodyEnd::TooLong), Err(Unreadable::TooLong(BYTES_MAX)));
    // The sender itself left out the end.
    assert!(matches!(read(r#"{"status":"ok""#), Err(Unreadable::CutOff(_))));
}

#[test]
fn a_cut_body_counts_if_nothing_can_be_missing() {
    let broke = || BodyEnd::CutOff("the connection broke".into());
    let one = id(1);
    assert_eq!(cut(format!(r#"{{"failed":["{one}"]}}"#), broke()), Ok(vec![one]));
    assert_eq!(cut("thank you", broke()), Ok(vec![]));
    assert_eq!(cut("thank you", BodyEnd::TooLong), Ok(vec![]));
}

#[test]
fn a_coding_that_was_not_offered_is_looked_into_but_not_trusted() {
    let list = format!(r#"{{"failed":["{}"]}}"#, id(1));
    for (bytes, coding, is_taken) in [
        (gzip(&list), Some("gzip"), false),
        (gzip(&list), None, false),
        (gzip("{\"failed\":7}"), Some("gzip"), false),
        (gzip(&"{".repeat(BYTES_MAX + 1)), Some("gzip"), false),
        (gzip(&list)[..20].to_vec(), Some("gzip"), false),
        (list.clone().into_bytes(), Some("br"), false),
        (gzip("thank you"), Some("gzip"), true),
        (gzip(r#"{"status":"ok"}"#), None, true),
        (Vec::new(), Some("gzip"), true),
    ] {
        let body = AnswerBody { coding: coding.map(Into::into), ..whole(bytes) };
        let got = failed_events(&body, &delivery());
        if is_taken {
            assert_eq!(got, Ok(vec![]));
        } else {
            assert_eq!(got, Err(Unreadable::Coded(coding.unwrap_or("gzip").into())));
        }
    }
}

#[test]
fn other_encodings_of_text_take_nothing() {
    let list = format!(r#"{{"failed":["{}"]}}"#, id(1));
    let little: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = list.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [little.clone(), big, [b"\xff\xfe", &little[..]].concat()] {
        assert_eq!(read(bytes), Err(Unreadable::NotUtf8));
    }
}

proptest! {
    /// However a list is cut, no event of it counts as taken unless the whole list was read.
    #[test]
    fn no_cut_of_a_list_takes_anything(cut_at in any::<prop::sample::Index>(), whole_frame: bool) {
        let list = format!(r#"{{"status":"partial","failed":["{}",{{"event_id":"{}"}}]}}"#, id(0), id(3));
        let end = if whole_frame { BodyEnd::Whole } else { BodyEnd::CutOff("it broke".into()) };
        let got = cut(&list.as_bytes()[..1 + cut_at.index(list.len() - 1)], end);
        prop_assert!(got.is_err(), "{:?}", got);
    }

    #[test]
    fn any_body_is_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(failed) = read(bytes) {
            prop_assert!(failed.iter().all(|failed| failed.batch() == batch_id(1, 1)));
        }
    }
}
