//! Logins at Postgres and Redis: over TLS with certificates of a private
//! authority, and with passwords that change while the process runs.

use crate::AwsConfig;
use crate::catalogue::PostgresCatalogue;
use crate::redis::Redis;
use sluice_model::ids::random_u128;
use sluice_ports::FailureClass;
use sluice_ports::catalogue::{Catalogue as _, Revision};
use sqlx::{AssertSqlSafe, PgPool};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long a change may take to be known, on a busy machine: several looks at the file.
const WAIT: Duration = Duration::from_secs(60);

fn setting(name: &str) -> String {
    let value = std::env::var_os(format!("SLUICE_TEST_{name}"));
    let value = value.unwrap_or_else(|| panic!("SLUICE_TEST_{name} is not set: run tests/stand-ins"));
    value.into_string().expect("it is UTF-8")
}

/// The address of Postgres and the name of its database.
fn postgres_place() -> String {
    let url = super::variable("POSTGRES_URL");
    url.rsplit_once('@').unwrap().1.split('?').next().unwrap().to_owned()
}

/// The same address with another host name.
fn postgres_at(host: &str) -> String {
    postgres_place().replacen("127.0.0.1", host, 1)
}

async fn admin() -> PgPool {
    PgPool::connect(&super::variable("POSTGRES_URL")).await.unwrap()
}

async fn execute(admin: &PgPool, statement: String) {
    sqlx::query(AssertSqlSafe(statement)).execute(admin).await.unwrap();
}

/// A role with a password of its own, which may read the catalogue.
struct TestRole {
    name: String,
    admin: PgPool,
}

impl TestRole {
    async fn new(password: &str) -> Self {
        let (name, admin) = (format!("role_{:012x}", random_u128() as u64 >> 16), admin().await);
        PostgresCatalogue::new(&super::config()).unwrap().migrate().await.unwrap();
        execute(&admin, format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await;
        execute(&admin, format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")).await;
        Self { name, admin }
    }

    async fn set_password(&self, password: &str) {
        execute(&self.admin, format!("ALTER ROLE {} PASSWORD '{password}'", self.name)).await;
    }

    /// Breaks the role's connections, as a failover does.
    async fn disconnect(&self) {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", self.name);
        execute(&self.admin, statement).await;
    }

    async fn backends(&self) -> Vec<i32> {
        let statement = format!("SELECT pid FROM pg_stat_activity WHERE usename = '{}'", self.name);
        sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&self.admin).await.unwrap()
    }
}

struct PasswordFile {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl PasswordFile {
    fn new(password: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = Self { path: dir.path().join("password"), _dir: dir };
        file.write(password);
        file
    }

    fn write(&self, password: &str) {
        std::fs::write(&self.path, format!("{password}\n")).unwrap();
    }
}

async fn until(condition: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(WAIT, wait).await.is_ok(), "{condition}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn postgres_is_verified_against_the_certificate_that_is_named() {
    let config = |host: &str, query: &str| AwsConfig {
        postgres_url: format!("postgres://sluice@{}?{query}", postgres_at(host)).into(),
        ..super::config()
    };
    let verified = format!("sslmode=verify-full&sslrootcert={}", setting("CA"));
    let good = PostgresCatalogue::new(&config("localhost", &verified)).unwrap();
    good.migrate().await.unwrap();
    good.changes(Revision(0)).await.unwrap();
    // The host name does not match, or no known authority signed the certificate.
    for bad in [config("127.0.0.1", &verified), config("localhost", "sslmode=verify-full")] {
        let error = PostgresCatalogue::new(&bad).unwrap().changes(Revision(0)).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn redis_is_verified_against_the_certificate_that_is_named() {
    // As every process does: the SDKs link a second provider, and rustls wants one named.
    rustls::crypto::ring::default_provider().install_default().ok();
    let ca = Some(PathBuf::from(setting("CA")));
    let port = setting("REDIS_TLS_PORT");
    let config = |host: &str, redis_ca_file| AwsConfig {
        redis_url: format!("rediss://{host}:{port}").into(),
        redis_ca_file,
        ..super::config()
    };
    let ping = |config: AwsConfig| async move {
        let redis = Redis::new(&config, Arc::default()).unwrap();
        redis.connected().await;
        let answer: Result<String, _> = redis.run("return 'pong'", String::new(), Vec::new()).await;
        redis.close().await;
        answer.is_ok()
    };
    until("it is reached", async || ping(config("localhost", ca.clone())).await).await;
    assert!(!ping(config("127.0.0.1", ca)).await, "the name does not fit");
    assert!(!ping(config("localhost", None)).await, "nobody known signed it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_password_of_postgres_changes_without_a_restart() {
    let (role, file) = (TestRole::new("first").await, PasswordFile::new("first"));
    let config = AwsConfig {
        postgres_url: format!("postgres://{}@{}", role.name, postgres_place()).into(),
        postgres_password_file: Some(file.path.clone()),
        secrets_poll_ms: 3_600_000,
        ..super::config()
    };
    let catalogue = PostgresCatalogue::new(&config).unwrap();
    catalogue.changes(Revision(0)).await.unwrap();
    // The password changes, and the connections break before the file is looked at again.
    role.set_password("second").await;
    role.disconnect().await;
    let mut refused = None;
    until("the old password is refused", async || {
        refused = catalogue.changes(Revision(0)).await.err();
        refused.as_ref().is_some_and(|error| error.class() == FailureClass::Denied)
    })
    .await;
    file.write("second");
    catalogue.changes(Revision(0)).await.expect("a refused login reads the file again");

    // The file changes first: connections that were made before are closed.
    let eager = AwsConfig { secrets_poll_ms: 100, ..config };
    let catalogue = PostgresCatalogue::new(&eager).unwrap();
    catalogue.changes(Revision(0)).await.unwrap();
    let before = role.backends().await;
    role.set_password("third").await;
    file.write("third");
    until("no old connection is left", async || {
        catalogue.changes(Revision(0)).await.expect("nothing is refused");
        let now = role.backends().await;
        // The first catalogue's connections are still there: nobody asked it for one.
        now.iter().any(|pid| !before.contains(pid))
    })
    .await;
}

/// Sends Redis one command (RESP, "Inline commands"). Returns the first line of its answer.
async fn command(server: &str, command: &str) -> String {
    let mut connection = BufReader::new(TcpStream::connect(server).await.unwrap());
    connection.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();
    line.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/stand-ins"]
async fn a_password_of_redis_changes_without_a_restart() {
    let server = super::variable("REDIS_URL").trim_start_matches("redis://").to_owned();
    let user = format!("user-{:012x}", random_u128() as u64 >> 16);
    let set = async |rules: &str| {
        assert_eq!(command(&server, &format!("ACL SETUSER {user} {rules}")).await, "+OK");
    };
    set("on >first ~* +@all").await;
    let file = PasswordFile::new("wrong");
    let config = AwsConfig {
        redis_url: format!("redis://{user}@{server}").into(),
        redis_password_file: Some(file.path.clone()),
        secrets_poll_ms: 100,
        ..super::config()
    };
    let redis = Redis::new(&config, Arc::default()).unwrap();
    redis.connected().await;
    let works = async || {
        let answer: Result<String, _> = redis.run("return 'pong'", String::new(), Vec::new()).await;
        answer.is_ok()
    };
    assert!(!works().await, "the password is wrong");
    file.write("first");
    until("the right password is read", async || works().await).await;

    // The password changes while connected: the connection stays, and a new one uses the new password.
    set("resetpass >second").await;
    assert!(works().await);
    file.write("second");
    assert_eq!(command(&server, &format!("CLIENT KILL USER {user}")).await, ":1");
    until("it connects again with the new password", async || works().await).await;
    redis.close().await;
}
