use super::*;
use crate::recording::{Recorded, RecordingReader};

fn converted(text: &str, format: Format) -> Result<(ConvertStats, Vec<Recorded>), ConvertError> {
    let directory = tempfile::tempdir().expect("a directory");
    let (from, to) = (directory.path().join("from"), directory.path().join("to.jsonl.zst"));
    std::fs::write(&from, text).expect("written");
    let stats = convert(&from, format, &to)?;
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
    let (stats, all) = converted(HAR, Format::Har).expect("an archive");
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
    for wrong in [
        "",
        "[]",
        r#"{"log":{"entries":[{"startedDateTime":"soon","request":{"method":"POST","url":"/"}}]}}"#,
    ] {
        let error = converted(wrong, Format::Har).expect_err(wrong);
        assert!(matches!(error, ConvertError::Har { .. }), "{error:?}");
    }
}

#[test]
fn each_line_of_an_access_log_is_an_event() {
    let log = concat!(
        r#"192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?a=1 HTTP/1.0" 200 2326"#,
        "\n",
        r#"192.0.2.8 - - [10/Oct/2000:13:55:38 -0700] "POST /x HTTP/1.1" 404 - "-" "curl \"8\"""#,
        "\n\nno line of a log\n"
    );
    let (stats, all) = converted(log, Format::AccessLog).expect("a log");
    assert_eq!(stats, ConvertStats { written: 2, left_out: 1, first_left_out: 4 });
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
