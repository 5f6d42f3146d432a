//! Features for operators: the separate admin API, the exchange of tokens, secrets in
//! files, and a timely shutdown.

use crate::harness::http::Connection;
use crate::harness::server::{ADMIN_TOKEN, binary};
use crate::harness::{Request, ServerConfig, TestCustomer, TestServer, directory, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

#[test]
fn nothing_of_the_admin_api_answers_on_the_public_listener() {
    let server = TestServer::start();
    let described = Request::get("/openapi.json").expect(server.admin(), 200).json();
    let paths = described["paths"].as_object().unwrap().iter();
    let mut asked = 0;
    for (path, operations) in paths.filter(|(path, _)| path.starts_with("/admin")) {
        let path = path.replace(['{', '}'], "");
        for method in operations.as_object().unwrap().keys() {
            let method = ["GET", "POST", "PATCH", "PUT", "DELETE"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(method));
            let Some(method) = method else { continue };
            let request = Request::new(method, &path).bearer(ADMIN_TOKEN);
            let answer = request.send(server.public()).unwrap();
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (404, &json!("NOT_FOUND")),
                "{method} {path}"
            );
            asked += 1;
        }
    }
    assert!(asked >= 10, "only {asked} operations are described");
    Request::get("/admin/customers").bearer(ADMIN_TOKEN).expect(server.admin(), 200);
}

fn opens(server: &TestServer, token: &str) -> bool {
    let answer = Request::get("/admin/customers").bearer(token).send(server.admin()).unwrap();
    assert!([200, 401].contains(&answer.status), "{}", answer.status);
    answer.status == 200
}

#[test]
fn admin_tokens_change_over_while_the_server_runs() {
    let own = directory();
    let file = own.path().join("tokens");
    std::fs::write(&file, "the-first-token\n").unwrap();
    let config = ServerConfig::default().make_admin_token().env("SLUICE_ADMIN_TOKEN_FILE", file.display());
    let server = config.start();
    assert!(opens(&server, "the-first-token") && !opens(&server, "the-second-token"));
    std::fs::write(&file, "the-second-token\nthe-first-token\n").unwrap();
    wait_until("both tokens to open", || opens(&server, "the-second-token"));
    assert!(opens(&server, "the-first-token"));
    // A file that makes no sense changes nothing.
    std::fs::write(&file, "\n").unwrap();
    wait_until("it to be told", || server.log().contains("the admin tokens stay as they are"));
    assert!(opens(&server, "the-first-token") && opens(&server, "the-second-token"));
    std::fs::write(&file, "the-second-token\n").unwrap();
    wait_until("the first token to be refused", || !opens(&server, "the-first-token"));
    assert!(opens(&server, "the-second-token"));
}

#[test]
fn the_token_before_opens_too_where_it_is_given() {
    let server = ServerConfig::default().env("SLUICE_ADMIN_TOKEN_PREVIOUS", "12345678").start();
    assert!(opens(&server, ADMIN_TOKEN) && opens(&server, "12345678") && !opens(&server, "1234567"));
}

#[test]
fn a_process_that_hangs_ends_when_its_time_is_over() {
    let config = ServerConfig::default()
        .env("SLUICE_INGEST__HTTP__DRAIN_MS", 600_000)
        .env("SLUICE_INGEST__HTTP__BODY_TIMEOUT_MS", 600_000)
        .env("SLUICE_DRAIN_MS", 1000);
    let mut server = config.start();
    let customer = TestCustomer::new(&server);
    let request = Request::post("/v1/events").bearer(&customer.key).json(&json!({"payload": "never whole"}));
    let bytes = request.bytes();
    let mut connection = Connection::open(server.public()).unwrap();
    connection.write(&bytes[..bytes.len() - 5]).unwrap();
    // Once a later request is answered, at least the head of this one has been read.
    customer.send(&json!({"payload": "before"}));
    server.ask_to_stop();
    assert_eq!(server.wait().code(), Some(1));
    assert!(server.log().contains("the drain took too long"), "{}", server.log());
    drop(connection);
    server.restart();
    customer.send(&json!({"payload": "after"}));
}

fn config(variables: &[(&str, &str)]) -> Output {
    let variables = variables.iter().copied();
    binary().args(["config", "--json"]).envs(variables).output().unwrap()
}

fn refusal(variables: &[(&str, &str)]) -> String {
    let output = config(variables);
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn secrets_in_files_are_masked_and_told_with_their_file() {
    let own = directory();
    let file = own.path().join("secret");
    std::fs::write(&file, "a-token-to-hide\n").unwrap();
    let output = config(&[("SLUICE_ADMIN_TOKEN_FILE", text(&file))]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.contains("a-token-to-hide"));
    let fields: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let field = fields.iter().find(|field| field["field"] == "admin_token").unwrap();
    let told =
        json!({"field": "admin_token", "value": "********", "from": "secret_file", "name": text(&file)});
    assert_eq!(*field, told);

    let both = refusal(&[("SLUICE_ADMIN_TOKEN_FILE", text(&file)), ("SLUICE_ADMIN_TOKEN", "x")]);
    assert!(
        both.contains("admin_token (from SLUICE_ADMIN_TOKEN)") && both.contains("SLUICE_ADMIN_TOKEN_FILE"),
        "{both}"
    );
    let missing = refusal(&[("SLUICE_ADMIN_TOKEN_FILE", "/nonexistent")]);
    assert!(missing.contains("admin_token_file (from SLUICE_ADMIN_TOKEN_FILE)"), "{missing}");
    assert!(missing.contains("/nonexistent"), "{missing}");
    std::fs::write(&file, "a\nb\nc\n").unwrap();
    let three = refusal(&[("SLUICE_ADMIN_TOKEN_FILE", text(&file))]);
    assert!(three.contains("at most one more on a second line"), "{three}");
}

#[cfg(feature = "aws")]
#[test]
fn the_logins_of_the_services_are_secrets_too() {
    let own = directory();
    let file = own.path().join("secret");
    std::fs::write(&file, "postgres://me:hidden@db/x\n").unwrap();
    let output = config(&[
        ("SLUICE_AWS__POSTGRES_URL_FILE", text(&file)),
        // A password of digits is no number.
        ("SLUICE_AWS__REDIS_PASSWORD", "0123456789"),
    ]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.contains("hidden") && !printed.contains("0123456789"), "{printed}");
    let fields: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let of = |name: &str| fields.iter().find(|field| field["field"] == name).unwrap();
    assert_eq!(of("aws.postgres_url")["from"], "secret_file");
    assert_eq!(of("aws.redis_password")["from"], "environment");
    let both =
        refusal(&[("SLUICE_AWS__REDIS_PASSWORD_FILE", text(&file)), ("SLUICE_AWS__REDIS_PASSWORD", "x")]);
    assert!(both.contains("redis_password_file"), "{both}");
}
