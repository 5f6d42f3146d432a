use super::*;
use crate::recording::{Recorded, RecordingReader};

fn converted(
    text: impl AsRef<[u8]>,
    format: ConvertFormat,
) -> Result<(ConvertStats, Vec<Recorded>), ConvertError> {
    let directory = tempfile::tempdir().expect("a directory");
    let (from, to) = (directory.path().join("from"), directory.path().join("to.jsonl.zst"));
    std::fs::write(&from, text).expect("written");
    let stats = convert(&from, format, &to, &Redaction::default())?;
    let mut reader = RecordingReader::open(&to).expect("open");
    let mut all = Vec::new();
    while let Some(request) = reader.next_request().expect("valid") {
        all.push(request);
    }
    Ok((stats, all))
}

const HAR: &str = r#"{"log":{"version":"1.2","entries":[
  {"startedDateTime":"2026-11-21T10:00:01.500Z","request":{"method":"POST","url":"https://api.example/v1/events?x=1",
    "headers":[{"name":":path","value":"/v1/events"},{"name":"Authorization","value":"Bearer sk_live_secret"},
      {"name":"Content-Type","value":"application/json"},{"name":"Content-Encoding","value":"gzip"},
      {"name":"Cookie","value":"a=b"},{"name":"Idempotency-Key","value":"k1"}],
    "postData":{"mimeType":"application/json","text":"{\"payload\":1}"}},"response":{}},
  {"startedDateTime":"2026-11-21T11:00:01+01:00","request":{"method":"POST","url":"https://api.example/v1/events",
    "headers":[],"postData":{"mimeType":"application/x-ndjson","encoding":"base64","text":"eyJwYXlsb2FkIjoyfQo="}}},
  {"startedDateTime":"2026-11-21T10:00:02Z","request":{"method":"GET","url":"https://api.example/","headers":[]}}
]}}"#;

#[test]
fn an_archive_s_requests_are_recorded_in_order_without_credentials() {
    let (stats, all) = converted(HAR, ConvertFormat::Har).expect("an archive");
    assert_eq!((stats.written, stats.left_out), (2, 1));
    let (earlier, later) = (&all[0], &all[1]);
    assert_eq!(
        (earlier.body.as_slice(), earlier.header("content-type")),
        (b"{\"payload\":2}\n".as_slice(), Some("application/x-ndjson"))
    );
    assert_eq!(later.at.expect("a time") - earlier.at.expect("a time"), 0.5);
    assert_eq!(
        (later.path.as_str(), later.body.as_slice()),
        ("/v1/events?x=1", b"{\"payload\":1}".as_slice())
    );
    assert_eq!(later.header("idempotency-key"), Some("k1"));
    for gone in ["authorization", "cookie", "content-encoding", ":path"] {
        assert_eq!(later.header(gone), None, "{gone}");
    }
    assert!(later.customer.starts_with("k-") && earlier.customer == "anonymous");
}

#[test]
fn what_is_no_archive_is_refused() {
    for wrong in ["", "[]", r#"{"log":{"entries":{}}}"#] {
        let error = converted(wrong, ConvertFormat::Har).expect_err(wrong);
        assert!(matches!(error, ConvertError::Har { .. }), "{error:?}");
    }
    let undated = r#"{"log":{"entries":[{"startedDateTime":"soon","request":{"method":"POST","url":"/"}}]}}"#;
    let error = converted(undated, ConvertFormat::Har).expect_err("nothing can be used");
    assert!(matches!(error, ConvertError::Nothing { left_out: 1, .. }), "{error:?}");
}

#[test]
fn an_archive_in_any_encoding_is_read() {
    let utf16 = |unit: fn(u16) -> [u8; 2]| HAR.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let marked = [b"\xef\xbb\xbf", HAR.as_bytes()].concat();
    let little = [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat();
    let big = [b"\xfe\xff".to_vec(), utf16(u16::to_be_bytes)].concat();
    for text in [marked, little, big, utf16(u16::to_le_bytes)] {
        let (stats, _) = converted(text, ConvertFormat::Har).expect("an archive");
        assert_eq!(stats.written, 2);
    }
}

#[test]
fn damaged_entries_are_left_out_and_the_rest_is_recorded() {
    let entry = |url: &str, data: &str, more: &str| {
        format!(
            r#"{{"startedDateTime":"2026-11-21T10:00:02Z","request":{{"method":"POST","url":"{url}",{more}"postData":{data}}}}}"#
        )
    };
    let good = r#"{"mimeType":null,"text":"{}"}"#;
    let entries = [
        entry("{{baseUrl}}/v1/events", good, r#""headers":null,"#),
        entry("http://h/a", r#"{"encoding":"base64","text":"*not base64*"}"#, ""),
        entry("not a url at all", good, ""),
        "null".to_owned(),
        entry(
            "http://h/e?api_key=sk_live_1&n=2",
            good,
            r#""headers":[{"name":"X-Auth-Token","value":"t"},{"name":"Api-Key","value":"k"},{"name":"Set-Cookie","value":"c"},{"name":null,"value":null}],"#,
        ),
    ];
    let text = format!(r#"{{"log":{{"entries":[{}]}}}}"#, entries.join(","));
    let (stats, all) = converted(text, ConvertFormat::Har).expect("an archive");
    assert_eq!((stats.written, stats.left_out), (2, 3));
    assert!(stats.first_reason.is_some());
    let paths: Vec<_> = all.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/v1/events", "/e?api_key=redacted&n=2"]);
    assert!(
        all[1].headers.iter().all(|(_, value)| !["t", "k", "c"].contains(&value.as_str())),
        "{:?}",
        all[1]
    );
    assert!(all[1].customer.starts_with("k-"), "its credentials tell customers apart");
}

#[test]
fn a_failed_conversion_leaves_files_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    std::fs::write(&from, HAR).expect("written");
    std::fs::write(&to, "former").expect("written");
    let itself = convert(&from, ConvertFormat::Har, &from, &Redaction::default());
    assert!(matches!(itself, Err(ConvertError::Same(_))), "{itself:?}");
    assert_eq!(std::fs::read_to_string(&from).expect("there"), HAR);
    let garbage = convert(&from, ConvertFormat::AccessLog, &to, &Redaction::default());
    assert!(matches!(garbage, Err(ConvertError::Nothing { .. })), "{garbage:?}");
    assert_eq!(std::fs::read_to_string(&to).expect("there"), "former");
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("a directory").count(),
        2,
        "nothing half done stays"
    );
}

#[test]
fn virtual_hosts_in_front_are_told_from_clients() {
    let log = concat!(
        r#"www.example.org:443 192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.1" 200 5 "-" "curl""#,
        "\n",
        r#"::1 - - [10/Oct/2000:13:55:37 -0700] "GET /b HTTP/1.1" 200 5"#,
        "\n"
    );
    let (stats, all) = converted(log, ConvertFormat::AccessLog).expect("a log");
    assert_eq!((stats.written, stats.left_out), (2, 0));
    assert_eq!((all[0].customer.as_str(), all[1].customer.as_str()), ("frank", "::1"));
    let event: serde_json::Value = serde_json::from_slice(&all[0].body).expect("JSON");
    assert_eq!(event["payload"]["virtual_host"], "www.example.org:443");
}

#[test]
fn each_line_of_an_access_log_is_an_event() {
    let log = concat!(
        r#"192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?a=1 HTTP/1.0" 200 2326"#,
        "\n",
        r#"192.0.2.8 - - [10/Oct/2000:13:55:38 -0700] "POST /x HTTP/1.1" 404 - "-" "curl \"8\"""#,
        "\n\nno line of a log\n"
    );
    let (stats, all) = converted(log, ConvertFormat::AccessLog).expect("a log");
    assert_eq!((stats.written, stats.left_out, stats.first_left_out), (2, 1, 4));
    assert_eq!((all[0].at, all[0].customer.as_str()), (Some(971_211_336.0), "frank"));
    assert_eq!((all[1].at, all[1].customer.as_str()), (Some(971_211_338.0), "192.0.2.8"));
    let events: Vec<serde_json::Value> =
        all.iter().map(|request| serde_json::from_slice(&request.body).expect("JSON")).collect();
    assert_eq!(events[0]["event_type"], "http.request");
    assert_eq!(events[0]["payload"]["path"], "/apache_pb.gif?a=1");
    assert_eq!(events[0]["payload"]["bytes"], 2326);
    assert_eq!(events[1]["payload"]["status"], 404);
    assert_eq!(events[1]["payload"]["user_agent"], r#"curl \"8\""#);
    assert!(events[1]["payload"].get("referer").is_none() && events[1]["payload"].get("bytes").is_none());
}
