//! Starting, stopping, and being used wrongly.

use crate::harness::http::Connection;
use crate::harness::server::binary;
use crate::harness::{
    Request, ServerConfig, TestCustomer, TestServer, Traffic, check, directory, traffic, turn, wait_until,
};
use serde_json::{Value, json};
use sluice_loadtest::sender::RunConfig;
use std::process::Output;

fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().expect("run the binary")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The niceness of each thread of a name.
fn nice_of_threads(server: &TestServer, name: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    // A thread may end while it is looked at.
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let named = stats.filter(|stat| stat.contains(&format!(" ({name}) ")));
    // The niceness is the 19th field, the 17th behind the name.
    named.map(|stat| stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()).collect()
}

#[test]
fn requests_stand_back_behind_the_processor_as_far_as_is_configured() {
    const REQUESTS: &str = "tokio-rt-worker";
    let server = ServerConfig::default().start();
    let base = nice_of_threads(&server, "processor");
    assert!(!base.is_empty() && base.iter().all(|nice| *nice == base[0]), "{base:?}");
    assert_eq!(nice_of_threads(&server, "sluice-log-0"), [base[0]]);
    let requests = nice_of_threads(&server, REQUESTS);
    assert!(
        !requests.is_empty() && requests.iter().all(|nice| *nice == (base[0] + 5).min(19)),
        "{requests:?}"
    );
    let server = ServerConfig::default().env("SLUICE_INGEST_NICE", 0).start();
    let requests = nice_of_threads(&server, REQUESTS);
    assert!(!requests.is_empty() && requests.iter().all(|nice| *nice == base[0]), "{requests:?}");
}

#[test]
fn sighup_does_not_end_a_server_that_has_no_files_to_read_again() {
    let mut server = TestServer::start();
    server.hang_up();
    // A signal is handled before the next one.
    Request::get("/healthz").expect(server.public(), 200);
    server.terminate();
}

#[test]
fn sigterm_answers_what_is_in_flight_and_ends_well() {
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let request = Request::post("/v1/events").bearer(&customer.key).json(&json!({"payload": "in flight"}));
    let bytes = request.bytes();
    let (first, rest) = bytes.split_at(bytes.len() - 5);
    let mut connection = Connection::open(server.public()).expect("connect");
    connection.write(first).unwrap();
    // Once a later request is answered, at least the head of this one has been read.
    customer.send(&json!({"payload": "before"}));
    let mut idle = customer.connect();
    idle.call(&Request::get("/healthz")).expect("an answer");

    server.ask_to_stop();
    wait_until("the server to take no more connections", || Connection::open(server.public()).is_err());
    connection.write(rest).unwrap();
    let answer = connection.read_answer().expect("an answer to what was in flight").expect(202);
    assert_eq!(server.wait().code(), Some(0));
    server.restart();
    let id = answer.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(customer.event(&id)["payload"], "in flight");
}

#[test]
fn a_stop_under_load_loses_nothing_and_the_next_start_finds_a_clean_state() {
    const STOPS: usize = 2;
    const CONNECTIONS: usize = 4;
    const BATCH: usize = 10;
    let _turn = turn::heavy();
    let mut server = TestServer::start();
    let customer = TestCustomer::new(&server);
    let received = server.scratch().join("received");
    let receiver = traffic::receiver(&received, &[]);
    customer.subscribe(&receiver.url());
    let config = RunConfig {
        keys: vec![customer.key],
        connections: CONNECTIONS,
        batch: BATCH,
        rate: Some(4000.0),
        retry_unknown: true,
        ..RunConfig::new(server.url())
    };
    let traffic = Traffic::start(config, &server.scratch().join("sent"));
    for _ in 0..STOPS {
        traffic.wait_for_accepted(1000);
        server.terminate();
        let before = server.log().len();
        server.restart();
        let since = server.log().split_off(before);
        assert!(!since.contains("ERROR") && !since.contains("WARN"), "not a clean start: {since}");
    }
    traffic.wait_for_accepted(1000);
    let sent = traffic.ledger().to_owned();
    let run = traffic.finish();
    assert_eq!(run.whole_run.events_unknown, 0, "a stop that answers leaves nothing unknown: {}", run.text());
    let report = check::nothing_lost(&sent, &received);
    // A webhook may have ended within a record, which is then read again.
    let repeated_max = (STOPS * CONNECTIONS * BATCH) as u64;
    assert!(report.duplicates_other_delivery <= repeated_max, "more than a record a stop: {}", report.text());
}

#[test]
fn a_development_server_has_its_key_on_loopback_and_loses_it_in_service() {
    let data = directory();
    let development = ServerConfig::default().data_dir(data.path()).flag("--dev");
    let mut server = development.clone().make_admin_token().private_webhooks(false).start();
    let event = Request::post("/v1/events").bearer("test-api-key-12345").json(&json!({"payload": 1}));
    let from_a_page = event.clone().header("origin", "http://a.example").expect(server.public(), 202);
    assert_eq!(from_a_page.header("access-control-allow-origin"), Some("*"));
    let id = event.expect(server.public(), 202).json()["event_id"].as_str().unwrap().to_owned();
    let made = server.admin_call(Request::post("/admin/test-customer"), 201);
    let body =
        json!({"customer_id": made["customer"]["customer_id"], "webhook_url": "http://127.0.0.1:9/hook"});
    server.admin_call(Request::post("/admin/test-subscription").json(&body), 201);
    // The customer, its key and its events are still there after a restart.
    server.terminate();
    server.restart();
    let stored = Request::get(format!("/v1/events/{id}")).bearer("test-api-key-12345");
    stored.expect(server.public(), 200);
    server.terminate();
    // Without --dev, a server on the same data refuses the key that everybody knows.
    let mut server = ServerConfig::default().data_dir(data.path()).start();
    assert_eq!(stored.expect(server.public(), 401).error_code(), "INVALID_API_KEY");
    server.terminate();
    let server = development.start();
    stored.expect(server.public(), 200);
}

#[test]
fn a_development_server_refuses_addresses_that_others_reach() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.7:80"] {
        let refused = run(&["up", "--dev", "--listen", address]);
        assert_eq!(refused.status.code(), Some(2));
        let text = stderr(&refused);
        assert!(text.contains("ingest.listen") && text.contains("not a loopback address"), "{text}");
    }
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let server = TestServer::start();
    let second = ServerConfig::default().data_dir(server.data_dir()).try_start();
    let failure = second.expect_err("the second is refused");
    assert_eq!(failure.status.and_then(|status| status.code()), Some(1));
    let directory = server.data_dir().display().to_string();
    assert!(failure.log.contains(&directory) && failure.log.contains("another"), "{}", failure.log);
    TestCustomer::new(&server);
}

#[test]
fn an_address_in_use_is_named() {
    let server = TestServer::start();
    let other = crate::harness::ports::reserved_address();
    let second = ServerConfig::default().addresses(server.public(), other).try_start();
    let failure = second.expect_err("the second is refused");
    assert_eq!(failure.status.and_then(|status| status.code()), Some(1));
    assert!(failure.log.contains(&server.public().to_string()), "{}", failure.log);
}

#[test]
fn configuration_that_makes_no_sense_is_refused_with_its_origin() {
    let own = directory();
    let file = own.path().join("sluice.toml");
    let file_name = file.to_str().expect("UTF-8");
    let from_file = |toml: &str| {
        std::fs::write(&file, toml).expect("write the configuration");
        run(&["config", "--config", file_name])
    };
    let from_variable =
        |name: &str, value: &str| binary().arg("config").env(name, value).output().expect("run the binary");
    for (output, named) in [
        (from_file("[ingest.http]\nheadr_timeout_ms = 1\n"), ["headr_timeout_ms", "sluice.toml"]),
        (from_file("[ingest]\nlisten = 7\n"), ["listen", "sluice.toml"]),
        (from_file("[engine\n"), ["sluice.toml", "TOML"]),
        (from_variable("SLUICE_INGEST__HTTP__BAKLOG", "5"), ["baklog", "SLUICE_"]),
        (from_variable("SLUICE_ENGINE__SHARDS", "many"), ["shards", "SLUICE_"]),
        (from_file("[engine]\nshards = 0\n"), ["shards", "sluice.toml"]),
        (from_variable("SLUICE_INGEST__HTTP__HEADER_TIMEOUT_MS", "0"), ["header_timeout_ms", "SLUICE_"]),
        (run(&["config", "--config", "/nonexistent.toml"]), ["/nonexistent.toml", "no such file"]),
    ] {
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{named:?}: {text}");
        for part in named {
            assert!(text.to_lowercase().contains(&part.to_lowercase()), "{part} is not in: {text}");
        }
    }
}

#[test]
fn the_configuration_is_shown_with_its_secrets_masked() {
    let output = binary()
        .arg("config")
        .env("SLUICE_ADMIN_TOKEN", "hush")
        .env("SLUICE_INGEST__HTTP__BACKLOG", "77")
        .output();
    let output = output.expect("run the binary");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(text.contains("backlog = 77") && text.contains("admin_token"), "{text}");
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn a_command_used_wrongly_ends_with_status_2_and_help_with_0() {
    for arguments in [
        &["up", "--lisen", "x"][..],
        &["up", "--listen", "nowhere"],
        &["nonsense"],
        &["demo", "--for", "soon"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty());
    }
    for arguments in
        [&["--help"][..], &["up", "--help"], &["demo", "--help"], &["config", "--help"], &["--version"]]
    {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn the_demo_shows_events_retries_and_dead_letters_and_ends_well() {
    let _turn = turn::heavy();
    let output = run(&["demo", "--for", "3s"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
    let number_before = |words: &str| -> u64 {
        let line =
            text.lines().rfind(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words:?}: {text}"));
        let before = &line[..line.find(words).unwrap()];
        let digits: String =
            before.chars().rev().skip_while(|c| *c == ' ').take_while(char::is_ascii_digit).collect();
        digits.chars().rev().collect::<String>().parse().unwrap_or_else(|_| panic!("no number in {line:?}"))
    };
    assert!(number_before("events accepted;") > 1000, "{text}");
    assert!(!text.contains("still waiting"), "all is settled before the end: {text}");
    assert!(number_before("delivered in") > 1000, "{text}");
    assert!(number_before("attempts refused") > 0, "{text}");
    assert!(number_before("dead letters") > 0, "{text}");
    assert!(text.contains("/console/#/sign-in/"), "the way to the console: {text}");
}

#[test]
fn health_says_what_the_process_is_and_metrics_count_what_it_did() {
    let server = ServerConfig::default().env("SLUICE_INGEST__ENVIRONMENT", "staging").start();
    let customer = TestCustomer::new(&server);
    customer.send_all(&vec![json!({"payload": 1}); 3]);
    let get = |path: &str| Request::get(path).expect(server.public(), 200);
    let health: Value = get("/health").json();
    assert_eq!((&health["status"], &health["environment"]), (&json!("healthy"), &json!("staging")));
    get("/healthz");
    get("/readyz");
    let metrics = get("/metrics").text();
    assert!(metrics.lines().any(|line| line == "sluice_ingest_accepted_total 3"), "{metrics}");
}
