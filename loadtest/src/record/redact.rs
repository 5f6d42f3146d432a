//! Keeps credentials and chosen members of requests out of recordings.

use hyper::header::HeaderName;
use serde_json::Value;

use super::CONNECTION_HEADERS;
use crate::coding::Coding;

/// Headers and query parameters with one of these words in their names are
/// credentials, whatever the configuration says.
const SECRET_WORDS: [&str; 13] = [
    "auth",
    "token",
    "secret",
    "passw",
    "pwd",
    "cookie",
    "session",
    "signature",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "jwt",
];
/// Whole names of credentials; `-` and `_` are ignored.
const SECRET_NAMES: [&str; 5] = ["key", "sig", "code", "csrf", "xcsrf"];
/// Headers that are written anew with each request.
const OWN_HEADERS: [&str; 2] = ["host", "content-length"];
const REDACTED: &str = "[redacted]";
/// Longest body that is looked into, in bytes.
const PLAIN_BYTES_MAX: u64 = 256 << 20;

/// The headers and members that are left out, beside credentials and cookies.
#[derive(Debug, Default)]
pub struct Redaction {
    headers: Vec<String>,
    /// Paths of member names.
    fields: Vec<Vec<String>>,
}

/// Returns true for the name of a header or parameter that holds a credential.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name.to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    // An idempotency key is no credential.
    plain != "idempotencykey"
        && (SECRET_NAMES.contains(&plain.as_str()) || SECRET_WORDS.iter().any(|word| plain.contains(word)))
}

impl Redaction {
    /// Leaves out these headers and members as well.
    pub fn new(headers: &[String], fields: &[String]) -> Self {
        Self {
            headers: headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            fields: fields.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect(),
        }
    }

    /// Returns true if a header is written.
    pub(super) fn keeps(&self, name: &HeaderName) -> bool {
        let name = name.as_str();
        let dropped = is_secret(name) || CONNECTION_HEADERS.contains(&name) || OWN_HEADERS.contains(&name);
        !dropped && !self.headers.iter().any(|redacted| redacted == name)
    }

    /// The path as it is written: credentials among its parameters are replaced.
    pub(super) fn path(&self, path: &str) -> String {
        let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
        let parameter = |parameter: &str| match parameter.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}=redacted"),
            _ => parameter.to_owned(),
        };
        let query: Vec<_> = query.split('&').map(parameter).collect();
        format!("{path}?{}", query.join("&"))
    }

    /// The body as it is written; `None` if members must be left out of it and
    /// it is not understood.
    pub(super) fn body(
        &self,
        content_type: Option<&str>,
        coding: Option<&str>,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        if self.fields.is_empty() || body.is_empty() {
            return Some(body.to_vec());
        }
        let coding = Coding::of(coding)?;
        let plain = coding.decode(body.to_vec(), PLAIN_BYTES_MAX).ok()?;
        let redacted = if content_type.is_some_and(|kind| kind.contains("ndjson")) {
            let lines = plain.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let lines: Option<Vec<_>> = lines.map(|line| self.json(line)).collect();
            lines?.join(&b'\n')
        } else {
            self.json(&plain)?
        };
        Some(coding.encode(redacted))
    }

    fn json(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut value: Value = serde_json::from_slice(text).ok()?;
        for path in &self.fields {
            redact(&mut value, path);
            // Events may stand in a wrapper.
            if let Some(events @ Value::Array(_)) = value.get_mut("events") {
                redact(events, path);
            }
        }
        serde_json::to_vec(&value).ok()
    }
}

fn redact(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Array(elements), _) => elements.iter_mut().for_each(|element| redact(element, path)),
        (Value::Object(members), [name]) => {
            if let Some(member) = members.get_mut(name) {
                *member = REDACTED.into();
            }
        }
        (Value::Object(members), [name, rest @ ..]) => {
            members.get_mut(name).into_iter().for_each(|member| redact(member, rest));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        Redaction::new(&["X-Secret".into()], &["payload.card.number".into(), "source".into()])
    }

    #[test]
    fn fields_are_redacted_wherever_events_stand() {
        let event = r#"{"payload":{"card":[{"number":"4111"},{"number":5}],"n":1},"source":"s"}"#;
        let bodies = [
            (None, event.to_owned()),
            (None, format!("[{event},{event}]")),
            (None, format!("{{\"events\":[{event}]}}")),
            (Some("application/x-ndjson"), format!("{event}\n{event}\n")),
        ];
        for (kind, body) in bodies {
            for coding in [Coding::Identity, Coding::Gzip] {
                let name = (coding == Coding::Gzip).then_some("gzip");
                let coded = coding.encode(body.clone().into_bytes());
                let written = redaction().body(kind, name, &coded).expect("understood");
                let text =
                    String::from_utf8(coding.decode(written, 1 << 20).expect("decoded")).expect("text");
                assert!(!text.contains("4111") && !text.contains(":5") && !text.contains("\"s\""), "{text}");
                assert!(text.contains("\"n\":1") && text.contains(REDACTED), "{text}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_not_written_where_fields_are_secret() {
        assert_eq!(redaction().body(None, None, b"number=4111"), None);
        assert_eq!(redaction().body(None, Some("br"), b"{}"), None);
        assert!(Redaction::new(&[], &[]).body(None, None, b"number=4111").is_some());
    }

    #[test]
    fn credentials_are_never_written() {
        for name in ["authorization", "x-api-key", "cookie", "x-secret", "connection", "host"] {
            assert!(!redaction().keeps(&HeaderName::from_static(name)), "{name}");
        }
        for name in
            ["x-auth-token", "api-key", "set-cookie", "x-amz-security-token", "apikey", "webhook-signature"]
        {
            assert!(!Redaction::default().keeps(&HeaderName::from_static(name)), "{name}");
        }
        for name in
            ["idempotency-key", "content-type", "traceparent", "ce-id", "user-agent", "accept-encoding"]
        {
            assert!(redaction().keeps(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn credentials_in_a_query_are_replaced() {
        let path = |text: &str| Redaction::default().path(text);
        assert_eq!(path("/v1/events"), "/v1/events");
        assert_eq!(
            path("/e?a=1&api_key=sk_live_x&access_token=y&sig=z&limit=5"),
            "/e?a=1&api_key=redacted&access_token=redacted&sig=redacted&limit=5"
        );
    }
}
