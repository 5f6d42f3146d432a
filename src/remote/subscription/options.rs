//! The options of a subscription's webhooks: headers, signature, rate and shape.

use crate::remote::call::Json;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;

/// The value of an option that removes what is stored.
const NONE: &str = "none";

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SignatureArg {
    /// HMAC-SHA256 with a shared secret
    V1,
    /// ed25519, verified with a public key
    V1a,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyArg {
    /// An array of events
    Array,
    /// One event a webhook, without an array around it
    Single,
}

/// The first secret of a subscription.
#[derive(Args, Serialize)]
pub(crate) struct FirstSecretArgs {
    /// A secret of your own: `whsec_` and base64 of 24 to 64 bytes
    #[arg(long, value_name = "SECRET", env = "SLUICE_WEBHOOK_SECRET", hide_env_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// How webhooks are signed
    #[arg(long, value_name = "SCHEME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureArg>,
}

/// Shows everything but the secret.
impl std::fmt::Debug for FirstSecretArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstSecretArgs").finish_non_exhaustive()
    }
}

/// How webhooks are sent and what they look like.
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    /// A header of each webhook, as `Name: value`; may be given several times. The given
    /// headers replace all stored ones; `none` removes them
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// Events a second to send, at most; `none` for no limit
    #[arg(long, value_name = "N")]
    rate_limit: Option<String>,
    /// The form of a webhook's body
    #[arg(long, value_name = "FORM")]
    body: Option<BodyArg>,
    /// The template that transforms each event: JSON whose strings are minijinja;
    /// `none` for events as they are
    #[arg(long, value_name = "JSON")]
    template: Option<String>,
}

/// A value that a request sets, or `null` that removes it.
#[derive(Serialize)]
#[serde(untagged)]
enum Setting<T> {
    Value(T),
    Nothing(()),
}

#[derive(Serialize)]
struct TransformBody {
    template: Json,
}

/// The options in a request's body; fields that are not given are left out.
#[derive(Serialize)]
pub(super) struct WebhookOptionsBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Setting<BTreeMap<&'a str, &'a str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_per_second: Option<Setting<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<BodyArg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transform: Option<Setting<TransformBody>>,
}

impl WebhookArgs {
    pub(super) fn body(&self) -> anyhow::Result<WebhookOptionsBody<'_>> {
        let headers = match self.headers.as_slice() {
            [] => None,
            [only] if only == NONE => Some(Setting::Nothing(())),
            several => {
                Some(Setting::Value(several.iter().map(|text| header(text)).collect::<Result<_, _>>()?))
            }
        };
        let rate = setting(self.rate_limit.as_deref(), |text| text.parse().context("--rate-limit"))?;
        let template = |text: &str| Ok(TransformBody { template: text.parse().map_err(anyhow::Error::msg)? });
        let transform = setting(self.template.as_deref(), template).context("--template")?;
        Ok(WebhookOptionsBody { headers, rate_limit_per_second: rate, body: self.body, transform })
    }
}

fn setting<T>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Option<Setting<T>>> {
    match text {
        None => Ok(None),
        Some(NONE) => Ok(Some(Setting::Nothing(()))),
        Some(text) => Ok(Some(Setting::Value(parse(text)?))),
    }
}

/// The error does not show the value, which may be a secret.
fn header(text: &str) -> anyhow::Result<(&str, &str)> {
    let (name, value) = text.split_once(':').context("--header is not `Name: value`")?;
    Ok((name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(headers: &[&str], rate: Option<&str>, template: Option<&str>) -> anyhow::Result<String> {
        let arguments = WebhookArgs {
            headers: headers.iter().map(|text| (*text).to_owned()).collect(),
            rate_limit: rate.map(str::to_owned),
            body: None,
            template: template.map(str::to_owned),
        };
        Ok(serde_json::to_string(&arguments.body()?)?)
    }

    #[test]
    fn what_is_not_given_is_absent_and_none_removes() {
        assert_eq!(body(&[], None, None).unwrap(), "{}");
        let removed = r#"{"headers":null,"rate_limit_per_second":null,"transform":null}"#;
        assert_eq!(body(&["none"], Some("none"), Some("none")).unwrap(), removed);
        let given = body(&["X-A: b:c", "d:e"], Some("7"), Some(r#"{"a":"{{ payload }}"}"#)).unwrap();
        let expected = r#"{"headers":{"X-A":"b:c","d":"e"},"rate_limit_per_second":7,"transform":{"template":{"a":"{{ payload }}"}}}"#;
        assert_eq!(given, expected);
        for (headers, rate, template) in
            [(&["secret"][..], None, None), (&[], Some("x"), None), (&[], None, Some("{"))]
        {
            let error = body(headers, rate, template).unwrap_err();
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }
}
