//! Sends a call and reads its answer, within bounds.

use super::ServerOptions;
use super::call::{ApiCall, Side};
use anyhow::Context;
use reqwest::{Certificate, Url, redirect};
use serde_json::Value;
use sluice_model::config::SecretValue;

/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of one listener.
pub(super) struct ApiClient {
    http: reqwest::Client,
    url: Url,
    credentials: SecretValue,
}

impl ApiClient {
    /// Checks the URL and the credentials that the calls need.
    pub(super) fn new(connection: &ServerOptions, side: Side) -> anyhow::Result<Self> {
        let (url, flag, credentials, missing) = match side {
            Side::Public => {
                (&connection.url, "--url", &connection.api_key, "give a key: --api-key or SLUICE_API_KEY")
            }
            Side::Admin => (
                &connection.admin_url,
                "--admin-url",
                &connection.admin_token,
                "give the admin token: --admin-token or SLUICE_ADMIN_TOKEN",
            ),
        };
        let url = Url::parse(url).with_context(|| format!("{flag} {url}"))?;
        anyhow::ensure!(
            matches!(url.scheme(), "http" | "https") && url.has_host(),
            "{flag} {url}: expected a URL such as http://127.0.0.1:8080"
        );
        let credentials = credentials.clone().context(missing)?;
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(connection.timeout())
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &connection.ca_file {
            let pem = std::fs::read(file).with_context(|| format!("--ca-file {}", file.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("--ca-file {}: expected PEM certificates", file.display()))?;
            http = http.tls_certs_merge(certificates);
        }
        Ok(Self { http: http.build().context("make the HTTP client")?, url, credentials })
    }

    /// Sends a call; returns the answer's JSON, or null if it has no body.
    pub(super) async fn send(&self, call: &ApiCall) -> anyhow::Result<Value> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{}", self.url.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = self.http.request(call.method.clone(), url.clone()).bearer_auth(&*self.credentials);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.header("content-type", call.content_type).body(body.clone());
        }
        let mut response = request.send().await.with_context(|| format!("{} {url}", call.method))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.context("read the answer")? {
            body.extend_from_slice(&chunk);
            anyhow::ensure!(
                body.len() <= ANSWER_BYTES_MAX,
                "the answer has more than {ANSWER_BYTES_MAX} bytes"
            );
        }
        let answer = match body.trim_ascii() {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .with_context(|| format!("{} {url}: {status}, and not JSON: is this Sluice?", call.method))?,
        };
        anyhow::ensure!(status.is_success(), refusal(status.as_u16(), &answer));
        Ok(answer)
    }
}

/// The text of a refusal, on one line.
fn refusal(status: u16, answer: &Value) -> String {
    let error = &answer["error"];
    let text = |name: &str| error[name].as_str().unwrap_or("?");
    let details = match &error["details"] {
        Value::Null => String::new(),
        details => format!(" {details}"),
    };
    let line =
        format!("{status} {}: {}{details} (request {})", text("code"), text("message"), text("request_id"));
    super::show::printable(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_a_terminal_can_take() {
        let answer = serde_json::json!({"error": {
            "code": "INVALID_EVENT", "message": "no\n\u{1b}[2J", "details": {"field": "x"}, "request_id": "r1",
        }});
        let line = refusal(400, &answer);
        assert!(line.starts_with("400 INVALID_EVENT: no") && line.contains(r#"{"field":"x"} (request r1)"#));
        assert!(!line.contains('\n') && !line.contains('\u{1b}'), "{line:?}");
        assert_eq!(refusal(502, &Value::Null), "502 ?: ? (request ?)");
    }
}
