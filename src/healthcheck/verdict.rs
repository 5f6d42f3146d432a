//! The verdict over the answers of `/readyz` and `/healthz`: pure rules.

use crate::remote::printable;
use serde_json::Value;

/// The question to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckedState {
    /// Whether it lives; it may wait for a dependency.
    Alive,
    /// Whether it does its work.
    Ready,
}

impl CheckedState {
    /// The path of the probe.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Alive => "/healthz",
            Self::Ready => "/readyz",
        }
    }

    /// The word for people.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Ready => "ready",
        }
    }
}

/// The result of asking one listener, with its name and URL.
#[derive(Debug)]
pub(super) enum ListenerVerdict {
    /// The process is ready; the text may name lost dependencies that it can do without.
    Ready(String),
    /// A process listens and is not ready, or gives no answer, or is not Sluice.
    NotReady(String),
    /// No process listens there.
    NobodyListens(String),
}

/// Ready if at least one process answered and all that answered are ready.
///
/// # Errors
/// The reasons, for people.
pub(super) fn judge(verdicts: &[ListenerVerdict], state: CheckedState) -> Result<String, String> {
    let word = state.as_str();
    let (mut ready, mut not_ready, mut absent) = (Vec::new(), Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict {
            ListenerVerdict::Ready(text) => ready.push(text.as_str()),
            ListenerVerdict::NotReady(text) => not_ready.push(text.as_str()),
            ListenerVerdict::NobodyListens(text) => absent.push(text.as_str()),
        }
    }
    if !not_ready.is_empty() {
        Err(format!("not {word}: {}", not_ready.join("; ")))
    } else if ready.is_empty() {
        Err(format!("not {word}: nobody listens at {}", absent.join(" or ")))
    } else {
        Ok(format!("{word}: {}", ready.join("; ")))
    }
}

/// Reads an answer of the probe: a note that follows "ready", or the reason why not.
pub(super) fn read(state: CheckedState, status: u16, body: &[u8]) -> Result<String, String> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Err(format!("status {status}, and not JSON: is this Sluice?"));
    };
    // The ingest role puts its lost dependencies into the details of an error.
    let (message, facts) = match body.get("error") {
        Some(error) => (&error["message"], &error["details"]),
        None => (&body["reason"], &body),
    };
    let lost = lost(facts);
    let says_ready = match state {
        // The ingest role says `live`; a processor and a starting process say `alive`.
        CheckedState::Alive => body["status"] == "live" || body["status"] == "alive",
        CheckedState::Ready => body["status"] == "ready" || body["ready"] == true,
    };
    match (status, message.as_str()) {
        (200, _) if says_ready && lost.is_empty() => Ok(String::new()),
        (200, _) if says_ready => Ok(format!(", without {lost}")),
        (_, Some(message)) if lost.is_empty() => Err(printable(&format!("{message} (status {status})"))),
        (_, Some(message)) => Err(printable(&format!("{message}: {lost} (status {status})"))),
        (_, None) => Err(format!("status {status} without a reason: is this Sluice?")),
    }
}

/// The lost dependencies of an answer, each with its reason.
fn lost(facts: &Value) -> String {
    let names = facts["lost"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let named = names.map(|name| match facts["reasons"][name].as_str() {
        Some(reason) => format!("{name} ({reason})"),
        None => name.to_owned(),
    });
    printable(&named.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn says(status: u16, body: &Value) -> Result<String, String> {
        read(CheckedState::Ready, status, body.to_string().as_bytes())
    }

    #[test]
    fn an_ingest_process_says_what_it_lost() {
        assert_eq!(says(200, &json!({ "status": "ready" })), Ok(String::new()));
        let partly = json!({ "status": "ready", "lost": ["redis"], "reasons": { "redis": "no answer" } });
        assert_eq!(says(200, &partly), Ok(", without redis (no answer)".into()));
        let error = json!({ "error": {
            "code": "NOT_READY", "message": "a dependency is lost",
            "details": { "lost": ["kinesis", "x"], "reasons": { "kinesis": "denied\nhere" } },
        }});
        let reason = "a dependency is lost: kinesis (denied\\nhere), x (status 503)";
        assert_eq!(says(503, &error), Err(reason.into()));
        let drains = json!({ "error": { "code": "NOT_READY", "message": "draining" } });
        assert_eq!(says(503, &drains), Err("draining (status 503)".into()));
    }

    #[test]
    fn a_processor_says_whether_it_works_its_shards() {
        let shards = json!([]);
        let ready = json!({ "ready": true, "reason": null, "lost": [], "reasons": {}, "shards": shards });
        assert_eq!(says(200, &ready), Ok(String::new()));
        let stands = json!({ "ready": false, "reason": "a task does not run", "lost": [], "reasons": {}, "shards": shards });
        assert_eq!(says(503, &stands), Err("a task does not run (status 503)".into()));
        let starts = json!({ "ready": false, "status": "starting", "reason": "opening data" });
        assert_eq!(says(503, &starts), Err("opening data (status 503)".into()));
    }

    #[test]
    fn an_answer_that_is_not_sluices_is_not_ready() {
        for (status, body) in
            [(200, "{}"), (200, "<html>"), (204, ""), (200, r#"{"status":"ok"}"#), (404, "[]")]
        {
            assert!(
                read(CheckedState::Ready, status, body.as_bytes()).unwrap_err().contains("is this Sluice?"),
                "{status} {body}"
            );
        }
        // A status that does not say what the body says.
        assert!(says(503, &json!({ "status": "ready" })).is_err());
    }

    #[test]
    fn a_process_that_waits_is_alive_and_not_ready() {
        let alive = |status, body: &Value| read(CheckedState::Alive, status, body.to_string().as_bytes());
        assert_eq!(alive(200, &json!({ "status": "alive" })), Ok(String::new()));
        assert_eq!(alive(200, &json!({ "status": "live" })), Ok(String::new()));
        assert!(alive(200, &json!({ "status": "ready" })).is_err());
        assert!(says(200, &json!({ "status": "alive" })).is_err());
        let silent = || ListenerVerdict::NotReady("a: timed out".into());
        assert_eq!(judge(&[silent()], CheckedState::Alive), Err("not alive: a: timed out".into()));
    }

    #[test]
    fn everybody_who_answers_must_be_ready_and_somebody_must_answer() {
        let ready = || ListenerVerdict::Ready("a".into());
        let not_ready = || ListenerVerdict::NotReady("b: draining".into());
        let absent = || ListenerVerdict::NobodyListens("c".into());
        assert_eq!(judge(&[ready(), absent()], CheckedState::Ready), Ok("ready: a".into()));
        assert_eq!(
            judge(&[absent(), not_ready()], CheckedState::Ready),
            Err("not ready: b: draining".into())
        );
        assert_eq!(judge(&[ready(), not_ready()], CheckedState::Ready), Err("not ready: b: draining".into()));
        assert_eq!(
            judge(&[absent(), absent()], CheckedState::Ready),
            Err("not ready: nobody listens at c or c".into())
        );
        assert!(judge(&[], CheckedState::Ready).is_err());
    }
}
