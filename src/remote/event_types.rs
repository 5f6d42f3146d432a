//! `sluice event-types`: schemas of the payloads of events.

use super::PageOptions;
use super::call::{ApiCall, Column, Json, Show, Side};
use anyhow::Context;
use clap::{ArgGroup, Subcommand};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

const PATH: &str = "/v1/event-types";
const COLUMNS: &[Column] = &[
    ("NAME", "/name"),
    ("ENFORCED", "/enforce"),
    ("DESCRIPTION", "/description"),
    ("UPDATED", "/updated_at"),
    ("SCHEMA", "/schema"),
];
const MISFITS: &[Column] = &[("POINTER", "/pointer"), ("MESSAGE", "/message")];

/// Commands about event types.
#[derive(Debug, Subcommand)]
pub(crate) enum EventTypesCommand {
    /// List event types, by name
    List(PageOptions),
    /// Show an event type
    Get { name: String },
    /// Declare an event type, or replace it
    #[command(group = ArgGroup::new("what").required(true))]
    Put {
        name: String,
        /// The JSON Schema of payloads
        #[arg(long, value_name = "JSON", group = "what")]
        schema: Option<Json>,
        /// A file with the schema; `-` is standard input
        #[arg(long, value_name = "FILE", group = "what")]
        schema_file: Option<PathBuf>,
        /// Refuse events that do not fit; without it they are accepted and counted
        #[arg(long)]
        enforce: bool,
        /// A note about the type
        #[arg(long)]
        description: Option<String>,
    },
    /// Delete an event type
    Delete { name: String },
    /// See whether a payload fits; exit status 1 if it does not
    #[command(group = ArgGroup::new("what").required(true))]
    Test {
        name: String,
        /// The payload
        #[arg(long, value_name = "JSON", group = "what")]
        payload: Option<Json>,
        /// A file with the payload; `-` is standard input
        #[arg(long, value_name = "FILE", group = "what")]
        payload_file: Option<PathBuf>,
        /// A schema to try instead of the stored one
        #[arg(long, value_name = "JSON", conflicts_with = "schema_file")]
        schema: Option<Json>,
        /// A file with that schema
        #[arg(long, value_name = "FILE")]
        schema_file: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct EventTypeBody<'a> {
    schema: &'a Json,
    enforce: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct TypeTrialBody<'a> {
    payload: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a Json>,
}

impl EventTypesCommand {
    pub(super) fn call(&self) -> anyhow::Result<ApiCall> {
        let call = |method, path: String, show| ApiCall::new(Side::Public, method, path, show);
        match self {
            Self::List(page) => {
                let show = Show::List { list: "event_types", columns: COLUMNS };
                Ok(call(Method::GET, PATH.into(), show).page(page))
            }
            Self::Get { name } => Ok(call(Method::GET, path(name), Show::Fields)),
            Self::Put { name, schema, schema_file, enforce, description } => {
                let schema = given(schema.as_ref(), schema_file.as_deref())?.context("give a schema")?;
                let description = description.as_deref();
                let body = EventTypeBody { schema: &schema, enforce: *enforce, description };
                call(Method::PUT, path(name), Show::Fields).json(&body)
            }
            Self::Delete { name } => {
                Ok(call(Method::DELETE, path(name), Show::Done(format!("deleted {name}"))))
            }
            Self::Test { name, payload, payload_file, schema, schema_file } => {
                let payload = given(payload.as_ref(), payload_file.as_deref())?.context("give a payload")?;
                let schema = given(schema.as_ref(), schema_file.as_deref())?;
                let body = TypeTrialBody { payload: &payload, schema: schema.as_ref() };
                let show = Show::List { list: "errors", columns: MISFITS };
                Ok(call(Method::POST, format!("{}/test", path(name)), show).json(&body)?.fails(does_not_fit))
            }
        }
    }
}

/// The path of a type. Its name is escaped, so it cannot lead to another path.
fn path(name: &str) -> String {
    format!("{PATH}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

fn does_not_fit(answer: &Value) -> Option<String> {
    (answer["valid"] != Value::Bool(true)).then(|| "the payload does not fit".to_owned())
}

/// JSON from an argument or from a file.
fn given(argument: Option<&Json>, file: Option<&Path>) -> anyhow::Result<Option<Json>> {
    let Some(file) = file else { return Ok(argument.cloned()) };
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|mut open| open.read_to_string(&mut text)),
    };
    read.with_context(|| format!("read {}", file.display()))?;
    let json = text.parse().map_err(|problem: String| anyhow::anyhow!("{} {problem}", file.display()))?;
    Ok(Some(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        assert_eq!(path("order.created"), "/v1/event-types/order%2Ecreated");
        assert_eq!(path("a/../b?c#d e%"), "/v1/event-types/a%2F%2E%2E%2Fb%3Fc%23d%20e%25");
        assert_eq!(path("ü"), "/v1/event-types/%C3%BC");
    }

    #[test]
    fn a_payload_that_does_not_fit_is_a_failure() {
        assert_eq!(does_not_fit(&serde_json::json!({"valid": true, "errors": []})), None);
        assert!(does_not_fit(&serde_json::json!({"valid": false})).is_some());
    }
}
