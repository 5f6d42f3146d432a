//! The demo's own program: a document becomes an event, a webhook and an e-mail; each
//! invalid field is refused; a kill loses nothing; and the console can show webhooks.

use crate::harness::http::Connection;
use crate::harness::ports::reserved_address;
use crate::harness::server::binary;
use crate::harness::{HttpAnswer, Request, directory, turn, wait_for, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// A running `sluice demo`; it is killed when this is dropped.
struct DemoProcess {
    child: Child,
    address: SocketAddr,
    introduction: Vec<String>,
    key: String,
}

impl DemoProcess {
    fn start(data_dir: &Path, environment: &[(&str, String)]) -> Self {
        let mut command = binary();
        command.args(["demo", "--web", "--rate", "20", "--data-dir"]).arg(data_dir);
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("run the demo");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut introduction = Vec::new();
        while !introduction.last().is_some_and(|line: &String| line.contains("Ctrl-C ends it")) {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("its output") > 0, "it ended: {introduction:?}");
            introduction.push(line.trim_end().to_owned());
        }
        // Nobody reads the rest, and the pipe must not fill up.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        let word_after = |label: &str, word: &str| {
            let line = introduction.iter().find(|line| line.trim_start().starts_with(label));
            let mut words = line.unwrap_or_else(|| panic!("no {label}: {introduction:?}")).split_whitespace();
            words.find(|one| *one == word);
            words.next().unwrap_or_default().to_owned()
        };
        let url = word_after("open", "open");
        let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let (address, key) = (address.parse().expect("an address"), word_after("API", "key"));
        Self { child, address, introduction, key }
    }

    fn line(&self, label: &str) -> &str {
        self.introduction.iter().find(|line| line.trim_start().starts_with(label)).expect(label)
    }

    fn request(&self, request: Request) -> Request {
        request.header("host", self.address.to_string())
    }

    fn expect(&self, request: Request, status: u16) -> HttpAnswer {
        // The harness names another host, which the demo would refuse.
        let bytes = String::from_utf8(self.request(request).bytes()).unwrap().replacen(
            "host: sluice.test\r\n",
            "",
            1,
        );
        let mut connection = Connection::open(self.address).expect("connect");
        connection.write(bytes.as_bytes()).expect("write");
        connection.read_answer().expect("an answer").expect(status)
    }

    fn trigger(&self, document: &Value, status: u16) -> HttpAnswer {
        self.expect(Request::post("/demo/trigger").json(document), status)
    }

    fn inbox(&self) -> Vec<Value> {
        let inbox = self.expect(Request::get("/demo/inbox"), 200).json();
        inbox["mails"].as_array().expect("mails").clone()
    }

    fn wait_for_mail(&self, event_id: &str, state: &str) -> Value {
        wait_for(&format!("the mail of {event_id} to be {state}"), || {
            self.inbox().into_iter().find(|mail| mail["event_id"] == event_id && mail["state"] == state)
        })
    }

    fn keyed(&self, request: Request) -> Request {
        request.bearer(&self.key)
    }

    fn answer_with(&self, receiver: &str, mode: &str) {
        let change =
            Request::new("PUT", format!("/demo/receivers/{receiver}")).json(&json!({ "answer": mode }));
        self.expect(self.keyed(change), 200);
    }

    fn webhooks(&self, receiver: &str) -> Vec<Value> {
        let request = Request::get(format!("/demo/requests?receiver={receiver}"));
        self.expect(self.keyed(request), 200).json()["requests"].as_array().expect("requests").clone()
    }
}

impl Drop for DemoProcess {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn document(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = json!({
        "document_type": "invoice", "priority": "normal",
        "description": "It is overdue.\r\nThis is URGENT, really urgent!", "customer_email": "ann@example.com",
    });
    change(&mut document);
    document
}

fn letters(data_dir: &Path) -> Vec<(PathBuf, String)> {
    let files = std::fs::read_dir(data_dir.join("demo/mail")).expect("the folder of mails");
    let paths = files.map(|file| file.expect("a file").path());
    paths.map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a letter"))).collect()
}

fn event_id(answer: &HttpAnswer) -> String {
    answer.json()["event_id"].as_str().expect("an event").to_owned()
}

#[test]
fn a_document_becomes_an_event_a_webhook_and_one_e_mail_and_a_kill_loses_none_of_it() {
    let _turn = turn::heavy();
    let data = directory();
    let demo = DemoProcess::start(data.path(), &[]);
    let health = demo.expect(Request::get("/health"), 200).json();
    assert_eq!((&health["status"], &health["environment"]), (&json!("healthy"), &json!("demo")));

    // A document that the rule does not select gets the reason, and is sent nowhere.
    let calm =
        demo.trigger(&document(|document| document["description"] = json!("All is well.")), 200).json();
    assert_eq!(calm["triggered"], false);
    assert!(calm["message"].as_str().unwrap().contains("the priority is normal, not high"), "{calm}");

    let answer = demo.trigger(&document(|_| {}), 202);
    let verdict = answer.json();
    assert_eq!(verdict["reasons"], json!([{ "rule": "word", "word": "urgent", "times": 2 }]));
    assert_eq!(verdict["event_type"], "document.invoice");
    let first = event_id(&answer);
    let mail = demo.wait_for_mail(&first, "sent");
    assert_eq!(
        (&mail["to"], &mail["subject"]),
        (&json!("ann@example.com"), &json!("We are on it: your invoice"))
    );
    let all = letters(data.path());
    assert!(all.len() == 1 && all[0].0.ends_with(format!("{first}.eml")), "{all:?}");
    assert!(all[0].1.contains("To: ann@example.com\r\n") && all[0].1.contains("escalated"), "{all:?}");
    let event = demo.expect(demo.keyed(Request::get(format!("/v1/events/{first}"))), 200).json();
    assert_eq!(event["payload"]["triggered_by"], verdict["reasons"]);

    // The same request again is the same event.
    let keyed = |demo: &DemoProcess| {
        let request = Request::post("/demo/trigger").header("idempotency-key", "k-1").json(&document(|_| {}));
        event_id(&demo.expect(request, 202))
    };
    assert_eq!(keyed(&demo), keyed(&demo));

    // An event that goes to Sluice directly is judged by the subscription.
    let composed = json!({ "event_type": "document.contract", "payload": {
        "priority": "high", "description": "Sign it", "customer_email": "bob@example.com" } });
    let composed = event_id(&demo.expect(demo.keyed(Request::post("/v1/events").json(&composed)), 202));
    demo.wait_for_mail(&composed, "sent");

    // Its mail fails, the process is killed, and the next one sends it.
    demo.answer_with("mail", "error");
    let late = event_id(
        &demo.trigger(&document(|document| document["customer_email"] = json!("late@example.com")), 202),
    );
    wait_until("the webhook to fail", || demo.webhooks("mail").iter().any(|one| one["status"] == 500));
    let key = demo.key.clone();
    drop(demo);
    let demo = DemoProcess::start(data.path(), &[]);
    assert_eq!(demo.key, key, "the customer and its key are still there");
    demo.wait_for_mail(&late, "sent");
    demo.wait_for_mail(&first, "sent");

    // A repeated delivery sends nothing again.
    let before = letters(data.path()).len();
    let resend = demo.keyed(Request::post(format!("/v1/events/{first}/resend")).json(&json!({})));
    demo.expect(resend, 202);
    wait_until("the webhook to come again", || {
        demo.webhooks("mail")
            .iter()
            .any(|one| one["first_event_id"] == first.as_str() && one["status"] == 200)
    });
    assert_eq!((letters(data.path()).len(), before), (before, 4));
    assert_eq!(demo.wait_for_mail(&first, "sent")["attempts"], 1);
}

#[test]
fn each_request_that_cannot_be_taken_is_told_why() {
    let _turn = turn::heavy();
    let data = directory();
    let demo = DemoProcess::start(data.path(), &[]);
    for (field, value) in [
        ("document_type", json!(null)),
        ("document_type", json!("a b")),
        ("priority", json!("asap")),
        ("description", json!("")),
        ("description", json!("x".repeat(10_001))),
        ("customer_email", json!("ann")),
        ("customer_email", json!("ann@example.com\r\nBcc: all@example.com")),
        ("customer_name", json!("Ann\nX: y")),
        ("extra", json!(1)),
    ] {
        let refused = demo.trigger(&document(|document| document[field] = value.clone()), 400);
        assert_eq!(refused.error_code(), "INVALID_DOCUMENT");
        assert_eq!(refused.json()["error"]["details"]["field"], field, "{value}");
    }
    let post = |body: &str| Request::post("/demo/trigger").body(body);
    let json_type = |request: Request| request.header("content-type", "application/json");
    assert_eq!(demo.expect(json_type(post("{")), 400).error_code(), "INVALID_JSON");
    assert_eq!(demo.expect(json_type(post("[]")), 400).error_code(), "INVALID_DOCUMENT");
    assert_eq!(
        demo.expect(post("{}").header("content-type", "text/plain"), 415).error_code(),
        "UNSUPPORTED_MEDIA_TYPE"
    );
    let long = format!("{{\"description\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(demo.expect(json_type(post(&long)), 413).error_code(), "BODY_TOO_LARGE");
    let wrong_method = demo.expect(Request::get("/demo/trigger"), 405);
    assert_eq!(
        (wrong_method.error_code().as_str(), wrong_method.header("allow")),
        ("METHOD_NOT_ALLOWED", Some("POST"))
    );
    assert_eq!(demo.expect(Request::get("/demo/nothing"), 404).error_code(), "NOT_FOUND");
    assert_eq!(demo.expect(Request::get("/demo/inbox?limit=0"), 400).error_code(), "INVALID_QUERY");
    let from_elsewhere =
        Request::post("/demo/trigger").header("origin", "https://evil.example").json(&document(|_| {}));
    assert_eq!(demo.expect(from_elsewhere, 403).error_code(), "OTHER_ORIGIN");
    assert_eq!(Request::get("/demo/inbox").expect(demo.address, 421).error_code(), "OTHER_HOST");
    // Only Sluice may ask for mails, and reading webhooks needs the key.
    let forged =
        Request::post("/demo/webhook").json(&json!([{ "event_id": "e-1", "payload": document(|_| {}) }]));
    demo.expect(forged, 401);
    for path in ["/demo/requests", "/demo/requests/mail.1", "/demo/receivers"] {
        assert_eq!(demo.expect(Request::get(path), 401).error_code(), "INVALID_API_KEY");
        assert_eq!(
            demo.expect(Request::get(path).bearer("sk_test_wrong"), 401).error_code(),
            "INVALID_API_KEY"
        );
    }
    let nonsense = Request::new("PUT", "/demo/receivers/mail").json(&json!({ "answer": "shrug" }));
    assert_eq!(demo.expect(demo.keyed(nonsense), 400).error_code(), "INVALID_REQUEST");
    assert!(letters(data.path()).is_empty() && demo.inbox().is_empty());
}

#[test]
fn the_address_that_the_terminal_shows_opens_the_console_and_holds_no_key() {
    let _turn = turn::heavy();
    let data = directory();
    let demo = DemoProcess::start(data.path(), &[]);
    let opened = demo.line("open");
    assert!(!opened.contains(&demo.key) && !demo.line("e-mails").contains(&demo.key), "{opened}");
    let code = opened.rsplit_once("/console/#/sign-in/").expect("a code").1;
    let session = |code: &str| Request::post("/demo/session").json(&json!({ "code": code }));
    assert_eq!(demo.expect(session("guess"), 403).error_code(), "WRONG_CODE");
    assert_eq!(demo.expect(session(code), 200).json()["api_key"], demo.key.as_str());
    // Everything else at this address is Sluice's.
    let page = demo.expect(Request::get("/console/"), 200);
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.contains("script-src 'self'"))
    );
    assert_eq!(demo.expect(Request::get("/console/about.json"), 200).json()["demo"], true);
    assert_eq!(demo.expect(Request::get("/"), 302).header("location"), Some("/console/"));
    demo.expect(Request::get("/openapi.json"), 200);
    demo.expect(demo.keyed(Request::get("/v1/inbox?limit=1")), 200);
    assert_eq!(demo.expect(Request::get("/v1/inbox"), 401).error_code(), "UNAUTHORIZED");
    assert!(demo.introduction.iter().all(|line| !line.contains("xdg-open")), "{:?}", demo.introduction);
}

#[test]
fn a_receiver_answers_as_it_is_told_and_its_webhooks_can_be_looked_at() {
    let _turn = turn::heavy();
    let data = directory();
    let demo = DemoProcess::start(data.path(), &[]);
    let taken = wait_for("a webhook of orders", || {
        demo.webhooks("orders").into_iter().find(|one| one["status"] == 200)
    });
    assert_eq!((&taken["signature"], &taken["attempt"]), (&json!("good"), &json!(1)));
    let path = format!("/demo/requests/{}", taken["id"].as_str().unwrap());
    let whole = demo.expect(demo.keyed(Request::get(path)), 200).json();
    let events: Value = serde_json::from_str(whole["body"].as_str().unwrap()).expect("the webhook's body");
    assert_eq!(events[0]["event_id"], taken["first_event_id"]);
    let headers = whole["headers"].as_array().unwrap();
    assert!(headers.iter().any(|pair| pair[0] == "webhook-signature"), "{headers:?}");
    // A failure is retried, and shown as a failure.
    demo.answer_with("orders", "error");
    wait_until("a failed webhook", || demo.webhooks("orders").iter().any(|one| one["status"] == 500));
    let id =
        demo.expect(demo.keyed(Request::get("/demo/receivers")), 200).json()["receivers"][0]["workflow_id"]
            .clone();
    let health = format!("/v1/subscriptions/{}/health", id.as_str().unwrap());
    let breaker = || demo.expect(demo.keyed(Request::get(health.clone())), 200).json();
    wait_until("the breaker to open", || {
        breaker()["breaker"] == "open" && breaker()["breaker_until"].is_string()
    });
    demo.answer_with("orders", "part");
    wait_until("the breaker to close", || breaker()["breaker"] == "closed");
    wait_until("a webhook to be retried", || {
        demo.webhooks("orders").iter().any(|one| one["status"] == 200 && one["attempt"].as_u64() >= Some(2))
    });
    demo.answer_with("orders", "gone");
    let subscription = wait_for("the subscription to be disabled", || {
        let receivers = demo.expect(demo.keyed(Request::get("/demo/receivers")), 200).json();
        let id = receivers["receivers"][0]["workflow_id"].as_str().unwrap().to_owned();
        let one = demo.expect(demo.keyed(Request::get(format!("/v1/subscriptions/{id}"))), 200).json();
        (one["status"] == "disabled").then_some(one)
    });
    assert_eq!(subscription["status_reason"], "gone");
    demo.expect(demo.keyed(Request::new("DELETE", "/demo/requests")), 200);
}

#[test]
fn mails_that_cannot_be_sent_now_are_retried_by_sluice_and_a_wrong_setting_is_named() {
    let _turn = turn::heavy();
    let data = directory();
    let nobody = reserved_address();
    let smtp = |name: &str, value: &str| (format!("SLUICE_DEMO__MAIL__{name}"), value.to_owned());
    let settings = [
        smtp("VIA", "smtp"),
        smtp("SMTP__HOST", &nobody.ip().to_string()),
        smtp("SMTP__PORT", &nobody.port().to_string()),
        smtp("SMTP__SECURITY", "none"),
    ];
    let settings: Vec<(&str, String)> =
        settings.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let demo = DemoProcess::start(data.path(), &settings);
    let id = event_id(&demo.trigger(&document(|_| {}), 202));
    let failed = demo.wait_for_mail(&id, "failed");
    assert!(failed["note"].as_str().unwrap().contains(&nobody.to_string()), "{failed}");
    wait_until("a second attempt", || demo.inbox()[0]["attempts"].as_u64() >= Some(2));
    let webhooks = demo.webhooks("mail");
    assert!(webhooks.iter().all(|one| one["status"] == 503), "{webhooks:?}");
    let refused =
        binary().arg("demo").env("SLUICE_DEMO__MAIL__FROM", "nobody").output().expect("run the demo");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && text.contains("demo.mail.from"), "{text}");
    let shown = binary()
        .arg("config")
        .env("SLUICE_DEMO__MAIL__SMTP__PASSWORD", "12345")
        .output()
        .expect("run the binary");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("[demo.mail.smtp]") && !text.contains("12345"), "{text}");
}
