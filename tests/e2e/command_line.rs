//! The commands that talk to a server, and those about the configuration: the
//! real binary as a shell runs it.

use crate::harness::endpoint::EndpointReply;
use crate::harness::server::{ADMIN_TOKEN, binary};
use crate::harness::{ServerConfig, TestCustomer, TestEndpoint, TestServer, directory, ports, wait_for};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A shell beside a server.
struct Shell<'s> {
    server: &'s TestServer,
    key: Option<String>,
}

impl Shell<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command.args(arguments);
        command.env("SLUICE_URL", self.server.url());
        command.env("SLUICE_ADMIN_URL", format!("http://{}", self.server.admin()));
        command.env("SLUICE_ADMIN_TOKEN", ADMIN_TOKEN);
        if let Some(key) = &self.key {
            command.env("SLUICE_API_KEY", key);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("run the binary")
    }

    /// The output for people.
    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// The output for programs: one line of JSON.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat());
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The error of a command that fails; it must print nothing on stdout.
    #[track_caller]
    fn fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
        stderr(&output)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn id(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
}

/// Changes the headers, rate, signature and shape of a subscription; its events stay the same.
fn webhooks_take_shape(shell: &Shell<'_>, subscription: &str) {
    let options =
        ["--header", "X-Key: hush", "--header", "x-b: c", "--rate-limit", "900", "--body", "single"];
    let template = r#"{"n": "{{ payload.n }}"}"#;
    let update = ["subscription", "update", subscription];
    let changed = shell.json(&[&update[..], &options, &["--template", template]].concat());
    assert_eq!(changed["headers"], json!({"x-b": "********", "x-key": "********"}));
    assert_eq!((&changed["rate_limit_per_second"], &changed["body"]), (&json!(900), &json!("single")));
    let test = ["subscription", "test-transform", subscription, "--payload"];
    assert_eq!(shell.json(&[&test[..], &[r#"{"n": [7]}"#]].concat())["body"], json!({"n": [7]}));
    let none = ["--header", "none", "--rate-limit", "none", "--body", "array", "--template", "none"];
    let changed = shell.json(&[&update[..], &none].concat());
    assert_eq!((&changed["headers"], &changed["transform"]), (&json!({}), &Value::Null));
    let rotate = ["subscription", "rotate-secret", subscription, "--keep-s", "0", "--signature"];
    assert!(id(&shell.json(&[&rotate[..], &["v1a"]].concat()), "public_key").starts_with("whpk_"));
    assert!(id(&shell.json(&[&rotate[..], &["v1"]].concat()), "secret").starts_with("whsec_"));
}

#[test]
fn an_operator_and_a_customer_do_all_of_it_from_a_shell() {
    let server = TestServer::start();
    let mut shell = Shell { server: &server, key: None };

    let made = shell.json(&["customer", "create", "--name", "Acme", "--rate-limit", "50000"]);
    let customer = id(&made, "customer_id");
    assert_eq!(made["rate_limit_per_second"], 50_000);
    let shown = shell.text(&["customer", "get", &customer]);
    assert!(shown.contains("Acme") && shown.contains("rate_limit_per_second  50000"), "{shown}");
    shell.text(&["customer", "update", &customer, "--name", "Acme Ltd", "--email", "a@example.com"]);
    let table = shell.text(&["customer", "list"]);
    assert!(
        table.starts_with("ID ") && table.contains("Acme Ltd") && table.contains("a@example.com"),
        "{table}"
    );

    let key = shell.json(&["key", "create", "--customer", &customer, "--mode", "test"]);
    let scopes = ["--scope", "events:write", "--scope", "events:read"];
    let other = shell.json(&[&["key", "create", "--customer", &customer], &scopes[..]].concat());
    assert_eq!(other["scopes"], json!(["events:write", "events:read"]));
    let unknown = shell.fails(2, &["key", "create", "--customer", &customer, "--scope", "events:all"]);
    assert!(unknown.contains("subscriptions:write"), "it names those that there are: {unknown}");
    shell.key = Some(id(&key, "api_key"));
    let keys = shell.json(&["key", "list", "--customer", &customer]);
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2));
    shell.text(&["key", "revoke", &id(&other, "key_id"), "--customer", &customer]);
    assert!(shell.text(&["key", "list", "--customer", &customer]).contains("revoked"));

    let endpoint = TestEndpoint::healthy();
    let url = endpoint.url();
    let policy = ["--max-wait-ms", "10", "--description", "orders"];
    let create = ["subscription", "create", "--event-type", "order.*", "--webhook-url", &url];
    let made = shell.json(&[&create[..], &policy].concat());
    let subscription = id(&made, "workflow_id");
    assert!(id(&made, "secret").starts_with("whsec_"));
    assert_eq!((&made["batch"]["max_wait_ms"], &made["description"]), (&json!(10), &json!("orders")));
    assert!(
        !shell.text(&["subscription", "get", &subscription]).contains("whsec_"),
        "a secret is shown twice"
    );
    let table = shell.text(&["subscription", "list", "--customer", &customer]);
    assert!(table.contains(&subscription) && table.contains("order.*"), "{table}");
    shell.text(&["subscription", "update", &subscription, "--status", "disabled"]);
    assert_eq!(shell.json(&["subscription", "enable", &subscription])["status"], "active");
    assert_ne!(shell.json(&["subscription", "rotate-secret", &subscription])["secret"], made["secret"]);
    assert_eq!(shell.json(&["subscription", "test", &subscription])["delivered"], true);

    let sent = shell.json(&["events", "send", "--type", "order.created", "--payload", r#"{"n": 1}"#]);
    let event = id(&sent, "event_id");
    wait_for("the delivery", || {
        Some(shell.json(&["events", "get", &event])).filter(|event| event["status"] == "delivered")
    });
    let judged = shell.text(&["subscription", "test", &subscription, "--last", "5"]);
    assert!(judged.starts_with("EVENT ") && judged.contains(&event), "{judged}");
    wait_for("the attempt to be in the history", || {
        Some(shell.text(&["subscription", "deliveries", &subscription]))
            .filter(|table| table.contains(" 200 "))
    });
    let listed = shell.text(&["events", "list", "--event-type", "order.created", "--status", "delivered"]);
    assert!(listed.contains(&event) && listed.contains(r#"{"n":1}"#), "{listed}");
    assert_eq!(shell.json(&["events", "ack", &event])["acknowledged"], 1);

    webhooks_take_shape(&shell, &subscription);
    let run = shell.json(&["replay", "start", "--subscription", &subscription, "--dry-run"]);
    assert_eq!(run["would_match"], 1);
    let replay = id(&shell.json(&["replay", "start", "--subscription", &subscription]), "replay_id");
    assert!(shell.text(&["replay", "list"]).contains(&replay));
    shell.text(&["replay", "get", &replay]);
    shell.text(&["replay", "cancel", &replay]);
    assert!(shell.text(&["subscription", "delete", &subscription]).contains("deleted"));
}

fn with_customer<'a>(arguments: &[&'a str], customer: &'a str) -> Vec<&'a str> {
    [arguments, &["--customer", customer]].concat()
}

#[test]
fn an_operator_resends_and_reads_the_usage_of_a_customer_from_a_shell() {
    let server = ServerConfig::default().env("SLUICE_PROCESSOR__USAGE__ADD_UP_MS", 50).start();
    let endpoint = TestEndpoint::healthy();
    let customer = TestCustomer::new(&server);
    let subscription = customer.subscribe(&endpoint.url());
    // Without a key, since an operator names the customer.
    let shell = Shell { server: &server, key: None };
    let sent =
        shell.json(&with_customer(&["events", "send", "--type", "a.b", "--payload", "1"], &customer.id));
    let event = id(&sent, "event_id");
    wait_for("the delivery", || {
        Some(shell.json(&with_customer(&["events", "get", &event], &customer.id)))
            .filter(|event| event["status"] == "delivered")
    });
    let resent = shell.json(&with_customer(
        &["events", "resend", &event, "--subscription", &subscription.id],
        &customer.id,
    ));
    assert_eq!(resent["deliveries"][0]["workflow_id"], json!(subscription.id));
    let table = shell.text(&with_customer(&["events", "resend", &event], &customer.id));
    assert!(table.starts_with("SUBSCRIPTION ") && table.contains(&subscription.id), "{table}");
    endpoint.wait_for(3);
    let attempts = wait_for("its attempts to be kept", || {
        let kept = shell.json(&with_customer(&["events", "attempts", &event], &customer.id));
        kept["attempts"].as_array().is_some_and(|kept| kept.len() == 3).then_some(kept)
    });
    assert_eq!(attempts["attempts"][0]["workflow_id"], json!(subscription.id));
    let options = ["events", "attempts", &event, "--subscription", &subscription.id];
    let table = shell.text(&with_customer(&options, &customer.id));
    assert!(table.starts_with("TIME ") && table.lines().count() == 4, "{table}");
    let counted = wait_for("all three to be counted", || {
        let usage = shell.json(&with_customer(&["usage", "--granularity", "day"], &customer.id));
        (usage["usage"][0]["delivered"] == 3).then_some(usage)
    });
    assert_eq!(counted["usage"][0]["accepted"], 1);
    let table = shell.text(&with_customer(&["usage", "--group-by", "event_type"], &customer.id));
    assert!(table.starts_with("START ") && table.contains("a.b"), "{table}");
    let table = shell.text(&with_customer(
        &["usage", "--group-by", "workflow_id", "--granularity", "minute"],
        &customer.id,
    ));
    assert!(table.contains(&subscription.id), "{table}");
    assert!(
        shell.text(&with_customer(&["events", "list", "--status", "any"], &customer.id)).contains(&event)
    );
    assert!(shell.text(&with_customer(&["subscription", "list"], &customer.id)).contains(&subscription.id));
    assert!(shell.text(&with_customer(&["dead-letters", "list"], &customer.id)).starts_with("ID "));
    assert!(shell.text(&with_customer(&["replay", "list"], &customer.id)).starts_with("ID "));
    let failed = shell.fails(1, &["usage", "--customer", "01900000-0000-7000-8000-000000000000"]);
    assert!(failed.contains("404 NOT_FOUND"), "{failed}");
    let missing = shell.fails(2, &["usage"]);
    assert!(missing.contains("SLUICE_API_KEY"), "{missing}");
}

#[test]
fn dead_letters_are_listed_redriven_and_deleted_from_a_shell() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::start(|_| EndpointReply::status(400));
    let subscription = customer.subscribe(&endpoint.url());
    let shell = Shell { server: &server, key: Some(customer.key.clone()) };
    customer.send(&json!({"payload": 1}));
    customer.wait_for_dead_letters("refused", 1);
    let table = shell.text(&["dead-letters", "list", "--subscription", &subscription.id]);
    assert!(table.starts_with("ID ") && table.contains("refused") && table.contains(" 400"), "{table}");
    assert_eq!(shell.json(&["dead-letters", "redrive", "--subscription", &subscription.id])["redriven"], 1);
    let letters = customer.wait_for_dead_letters("refused", 1);
    assert_eq!(shell.json(&["dead-letters", "delete", &id(&letters[0], "dead_letter_id")])["deleted"], 1);
    assert_eq!(shell.json(&["dead-letters", "delete", "--since", "2020-01-01T00:00:00Z"])["deleted"], 0);
    let usage = shell.fails(2, &["dead-letters", "delete"]);
    assert!(usage.contains("Usage"), "{usage}");
}

#[test]
fn event_types_are_declared_from_a_file_tried_and_deleted_from_a_shell() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let shell = Shell { server: &server, key: Some(customer.key) };
    let dir = directory();
    let path = dir.path().join("order.json");
    std::fs::write(&path, r#"{"type": "object", "required": ["qty"]}"#).unwrap();
    let file = path.to_str().unwrap();
    let put = ["event-types", "put", "order.created", "--schema-file", file];
    let made = shell.json(&[&put[..], &["--enforce", "--description", "orders"]].concat());
    assert_eq!((&made["enforce"], &made["schema"]["required"][0]), (&json!(true), &json!("qty")));
    shell.text(&["event-types", "put", "a/b c", "--schema", "true"]);
    let table = shell.text(&["event-types", "list", "--limit", "1", "--all"]);
    assert!(table.starts_with("NAME ") && table.contains("a/b c") && table.contains("orders"), "{table}");
    let shown = shell.text(&["event-types", "get", "order.created"]);
    assert!(shown.contains(r#"schema       {"required":["qty"],"type":"object"}"#), "{shown}");
    let test = ["event-types", "test", "order.created", "--payload"];
    assert_eq!(shell.json(&[&test[..], &[r#"{"qty":1}"#]].concat())["valid"], true);
    let unfit = shell.run(&[&test[..], &["{}"]].concat());
    assert_eq!(unfit.status.code(), Some(1));
    assert!(stdout(&unfit).starts_with("POINTER ") && stderr(&unfit).contains("does not fit"));
    assert_eq!(shell.json(&[&test[..], &["{}", "--schema", "{}"]].concat())["valid"], true);
    let refused = shell.fails(1, &["event-types", "put", "x", "--schema", r#"{"type":7}"#]);
    assert!(refused.contains("INVALID_SCHEMA") && refused.contains("/type"), "{refused}");
    assert!(shell.fails(2, &["event-types", "put", "x"]).contains("Usage"));
    assert!(shell.fails(2, &["event-types", "put", "x", "--schema-file", "/none"]).contains("/none"));
    let sent = shell.fails(1, &["events", "send", "--type", "order.created", "--payload", "{}"]);
    assert!(sent.contains("INVALID_EVENT") && sent.contains("pointer"), "{sent}");
    shell.text(&["event-types", "delete", "order.created"]);
    assert!(shell.fails(1, &["event-types", "get", "order.created"]).contains("404"));
}

#[test]
fn files_are_sent_page_by_page_and_bad_events_end_in_status_1() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let shell = Shell { server: &server, key: Some(customer.key) };
    let dir = directory();
    let path = dir.path().join("events.ndjson");
    let lines: String = (0..5).map(|n| format!("{{\"event_type\":\"a.b\",\"payload\":{n}}}\n")).collect();
    std::fs::write(&path, &lines).unwrap();
    let file = path.to_str().unwrap();
    let key = ["--idempotency-key", "k1"];
    let first = shell.json(&[&["events", "send", "--file", file][..], &key].concat());
    assert_eq!(first["accepted"], 5);
    let again = shell.json(&[&["events", "send", "--file", file][..], &key].concat());
    assert_eq!(again, first, "sent twice with one key");

    let page = shell.run(&["events", "list", "--limit", "2"]);
    assert_eq!(stdout(&page).lines().count(), 3);
    assert!(stderr(&page).contains("--cursor"), "{}", stderr(&page));
    let all = shell.text(&["events", "list", "--limit", "2", "--all"]);
    assert_eq!(all.lines().count(), 6, "{all}");
    let pages = shell.text(&["events", "list", "--limit", "2", "--all", "--json"]);
    let events = pages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(events.map(|page| page["events"].as_array().unwrap().len()).collect::<Vec<_>>(), [2, 2, 1]);

    let mut child = shell.command(&["events", "send", "--file", "-"]);
    let mut child =
        child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"payload\":1}\n{\"pay\":2}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("1 events were refused; 1 were taken"), "{}", stderr(&output));
    assert!(stdout(&output).contains("unknown field `pay`"), "{}", stdout(&output));
}

#[test]
fn what_fails_ends_with_1_what_is_used_wrongly_with_2_and_both_say_why() {
    let server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let shell = Shell { server: &server, key: Some(customer.key) };
    let unknown = shell.fails(1, &["events", "get", "019a0000-0000-7000-8000-000000000000"]);
    assert!(unknown.starts_with("sluice: 404 NOT_FOUND: there is no such event (request "), "{unknown}");
    let refused = shell.fails(1, &["customer", "create", "--name", "x", "--fan-out", "9999"]);
    assert!(refused.contains(r#"{"field":"fan_out"}"#), "{refused}");
    let nobody = format!("http://{}", ports::reserved_address());
    let away = shell.fails(1, &["events", "list", "--url", &nobody]);
    assert!(away.contains(&nobody), "{away}");
    let wrong = shell.fails(1, &["events", "list", "--api-key", "sk_live_wrong"]);
    assert!(wrong.contains("401") && !wrong.contains("sk_live_wrong"), "{wrong}");
    for wrong in [
        &["events", "send"][..],
        &["events", "send", "--payload", "{"],
        &["events", "get", "../../admin"],
        &["subscription", "create", "--webhook-url", "https://example.com"],
        &["events", "list", "--url", "ftp://example.com"],
        &["events", "list", "--limit", "0"],
        &["customer"],
    ] {
        assert!(!shell.fails(2, wrong).is_empty(), "{wrong:?}");
    }
    let shell = Shell { server: &server, key: None };
    assert!(shell.fails(2, &["events", "list"]).contains("SLUICE_API_KEY"));
}

#[test]
fn every_command_has_help_and_every_shell_its_completions() {
    let run = |arguments: &[&str]| {
        let output = binary().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let help = run(&["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A line that is indented further continues the line before.
        .filter_map(|line| line.strip_prefix("  ").filter(|name| !name.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    for name in [
        "up",
        "demo",
        "config",
        "customer",
        "key",
        "subscription",
        "events",
        "dead-letters",
        "replay",
        "healthcheck",
        "cost",
    ] {
        assert!(commands.contains(&name), "{name} is not in {commands:?}");
    }
    for name in &commands {
        assert!(run(&[name, "--help"]).contains("Usage: sluice"), "{name}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("dead-letters") && script.contains("admin-url"), "{shell}");
    }
    let bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
    let mut bash = bash.expect("bash");
    bash.stdin.take().unwrap().write_all(run(&["completions", "bash"]).as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success(), "the script for bash is not one");
}

#[test]
fn the_configuration_says_where_each_value_comes_from_and_masks_secrets() {
    let dir = directory();
    let file = dir.path().join("sluice.toml");
    std::fs::write(&file, "threads = 3\n[ingest]\nenvironment = \"test\"\n[ingest.http]\nbacklog = 17\n")
        .unwrap();
    let config = |more: &[&str]| {
        let mut command = binary();
        command.args(["config", "--config"]).arg(&file).args(["--listen", "127.0.0.1:7777"]).args(more);
        command.env("SLUICE_ADMIN_TOKEN", "a-token-to-hide").env("SLUICE_INGEST__ENVIRONMENT", "of-the-env");
        command.env("SLUICE_SECRETS__KEYS", "[\"one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let text = config(&[]);
    let has =
        |line: &str| assert!(text.lines().any(|printed| printed == line), "no line `{line}` in\n{text}");
    has("listen = \"127.0.0.1:7777\"  # --listen");
    has("environment = \"of-the-env\"  # SLUICE_INGEST__ENVIRONMENT");
    has(&format!("backlog = 17  # {}", file.display()));
    has("data_dir = \"sluice-data\"  # the default");
    has("admin_token = \"********\"  # SLUICE_ADMIN_TOKEN");
    assert!(!text.contains("a-token-to-hide") && !text.contains("AAECAw"), "{text}");
    toml::from_str::<toml::Table>(&text).expect("TOML");

    let fields: Vec<Value> = serde_json::from_str(&config(&["--json"])).unwrap();
    let field = |name: &str| fields.iter().find(|field| field["field"] == name).cloned().unwrap();
    assert_eq!(
        field("ingest.listen"),
        json!({"field": "ingest.listen", "value": "127.0.0.1:7777", "from": "flag", "name": "--listen"})
    );
    assert_eq!(field("threads")["from"], "file");
    assert_eq!(field("data_dir")["from"], "default");
    assert_eq!(field("secrets.keys")["value"], json!(["********"]));
}

#[test]
fn a_missing_admin_token_is_shown_and_an_empty_one_is_refused() {
    let output = binary().arg("config").output().unwrap();
    let text = stdout(&output);
    assert!(
        text.contains("\n# admin_token is not set\n") || text.starts_with("# admin_token is not set\n"),
        "{text}"
    );
    let output = binary().arg("config").env("SLUICE_ADMIN_TOKEN", "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("admin_token (from SLUICE_ADMIN_TOKEN) is empty"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn output_that_nobody_reads_is_no_fault_and_output_that_cannot_be_written_is() {
    let commands: [&[&str]; 5] = [
        &["config"],
        &["config", "--json"],
        &["cost", "--events-per-s", "1000", "--bytes", "1024"],
        &["completions", "bash"],
        &["completions", "zsh"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = binary().args(arguments).stdout(writer).output().unwrap();
        assert_eq!((closed.status.code(), stderr(&closed)), (Some(0), String::new()), "{arguments:?}");
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let full = binary().args(arguments).stdout(full).output().unwrap();
        assert_eq!(full.status.code(), Some(1), "{arguments:?}");
        let error = stderr(&full);
        assert!(error.contains("standard output") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_refused_value_is_named_with_where_it_came_from() {
    let run = |name: &str, value: &str, arguments: &[&str]| {
        let output = binary().args(["config"]).args(arguments).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    let error = run("SLUICE_INGEST__HTTP__BACKLOG", "0", &[]);
    assert!(error.contains("ingest.http.backlog (from SLUICE_INGEST__HTTP__BACKLOG)"), "{error}");
    let error = run("SLUICE_INGEST_NICE", "20", &[]);
    assert!(error.contains("ingest_nice (from SLUICE_INGEST_NICE): 20"), "{error}");
    for name in ["SLUICE_THREADS", "SLUICE_PROCESSOR_THREADS"] {
        let error = run(name, "9223372036854775807", &[]);
        assert!(error.contains(&format!("(from {name}): 9223372036854775807")), "{error}");
    }
    let error = run("SLUICE_X", "0", &["--tls-cert", "cert.pem"]);
    assert!(error.contains("configuration"), "{error}");
    let error = run("SLUICE_THREADS", "1", &["--tls-cert", "cert.pem"]);
    assert!(error.contains("ingest.tls.key_file"), "{error}");
    let error = run("SLUICE_SECRETS__KEYS", "[\"one:c2hvcnQ=\"]", &[]);
    assert!(error.contains("secrets.keys") && !error.contains("c2hvcnQ="), "{error}");
}

#[test]
fn webhook_secrets_are_sealed_on_disk_and_need_their_key() {
    const KEY: &str = "[\"one:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]";
    let mut server = ServerConfig::default().env("SLUICE_SECRETS__KEYS", KEY).start();
    let customer = TestCustomer::new(&server);
    let endpoint = TestEndpoint::healthy();
    let subscription = customer.subscribe(&endpoint.url());
    let event = customer.send(&json!({"payload": 1}));
    customer.wait_for_status(&event, "delivered");
    server.terminate();
    let files = |wanted: &str| {
        let found =
            Command::new("grep").args(["-rlF", "--", wanted]).arg(server.data_dir()).output().unwrap();
        stdout(&found)
    };
    assert_eq!(files(&subscription.secret), "", "the secret is on disk");
    assert_ne!(files("sealed:v1:one:"), "");

    let without = ServerConfig::default().data_dir(server.data_dir()).try_start().unwrap_err();
    assert!(without.status.is_some_and(|status| status.code() == Some(1)), "{without:?}");
    assert!(without.log.contains("sealed with the key `one`"), "{}", without.log);
    server.restart();
    let event = customer.send(&json!({"payload": 2}));
    customer.wait_for_status(&event, "delivered");
}
