//! `sluice config`: every value in effect and where it came from, secrets masked.

use super::Loaded;
use super::origin::ValueOrigin;
use super::secrets::{SECRET, SecretInFile, URLS, in_files};
use crate::output::say;
use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// Printed in place of a secret.
const MASKED: &str = "********";

/// One field of the configuration.
#[derive(Debug, Serialize)]
struct ConfigField {
    field: String,
    value: Value,
    #[serde(flatten)]
    origin: ValueOrigin,
}

/// Prints the configuration: TOML with comments, or JSON.
pub(crate) fn print(loaded: &Loaded, json: bool) -> anyhow::Result<()> {
    let fields = fields(loaded)?;
    if json {
        say!("{}", serde_json::to_string(&fields)?)?;
    } else {
        crate::output::print(&toml(&fields)?)?;
    }
    Ok(())
}

/// The configuration that is printed, as TOML.
#[cfg(test)]
pub(super) fn text(loaded: &Loaded) -> anyhow::Result<String> {
    toml(&fields(loaded)?)
}

fn fields(loaded: &Loaded) -> anyhow::Result<Vec<ConfigField>> {
    let mut all = Vec::new();
    let value = serde_json::to_value(&loaded.config).context("write the configuration")?;
    collect(String::new(), value, &mut |field, value| {
        let origin = ValueOrigin::of(&loaded.figment, &field);
        let value = masked(&field, value);
        all.push(ConfigField { field, value, origin });
    });
    for SecretInFile { secret, file, .. } in in_files(&loaded.config) {
        // Sealing keys of both places are used; any other secret is only in its file.
        all.retain(|known| known.field != secret || secret == "secrets.keys" && is_given(known));
        let origin = ValueOrigin::SecretFile(file.display().to_string());
        if !all.iter().any(|known| known.field == secret) {
            all.push(ConfigField { field: secret.to_owned(), value: MASKED.into(), origin });
        }
    }
    if !all.iter().any(|known| known.field == "admin_token") {
        all.push(ConfigField {
            field: "admin_token".to_owned(),
            value: Value::Null,
            origin: ValueOrigin::Default,
        });
    }
    Ok(all)
}

/// Whether a value was given for a field.
fn is_given(field: &ConfigField) -> bool {
    field.origin != ValueOrigin::Default
}

fn collect(path: String, value: Value, found: &mut impl FnMut(String, Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                collect(path, value, found);
            }
        }
        Value::Null => {}
        value => found(path, value),
    }
}

fn masked(field: &str, value: Value) -> Value {
    match value {
        Value::Array(all) if SECRET.contains(&field) => {
            all.into_iter().map(|_| Value::from(MASKED)).collect()
        }
        Value::String(empty) if empty.is_empty() => empty.into(),
        _ if SECRET.contains(&field) => MASKED.into(),
        Value::String(url) if URLS.contains(&field) => masked_url(&url).into(),
        other => other,
    }
}

/// A URL without its password.
fn masked_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((user, place)) = rest.rsplit_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        Some((name, _password)) => format!("{scheme}://{name}:{MASKED}@{place}"),
        None => url.to_owned(),
    }
}

/// TOML: the fields of each table together, each with its origin.
fn toml(fields: &[ConfigField]) -> anyhow::Result<String> {
    let mut tables: Vec<(&str, Vec<(&str, &ConfigField)>)> = vec![("", Vec::new())];
    for field in fields {
        let (table, name) = field.field.rsplit_once('.').unwrap_or(("", &field.field));
        match tables.iter_mut().find(|(known, _)| *known == table) {
            Some((_, fields)) => fields.push((name, field)),
            None => tables.push((table, vec![(name, field)])),
        }
    }
    let mut out = String::new();
    for (table, fields) in tables {
        if !table.is_empty() {
            writeln!(out, "\n[{table}]")?;
        }
        for (name, field) in fields {
            if field.value.is_null() {
                writeln!(out, "# {name} is not set")?;
                continue;
            }
            let value = toml::Value::try_from(&field.value).with_context(|| field.field.clone())?;
            writeln!(out, "{name} = {value}  # {}", field.origin)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_and_the_rest_is_not() {
        assert_eq!(masked("admin_token", json!("x")), MASKED);
        assert_eq!(masked("aws.redis_password", json!("x")), MASKED);
        assert_eq!(masked("aws.redis_password", json!("")), "", "there is none to hide");
        assert_eq!(masked("secrets.keys", json!(["a", "b"])), json!([MASKED, MASKED]));
        assert_eq!(masked("ingest.environment", json!("x")), "x");
        let url = masked("aws.postgres_url", json!("postgres://me:p@ss@host/db"));
        assert_eq!(url, format!("postgres://me:{MASKED}@host/db"));
    }

    #[test]
    fn what_is_printed_is_toml_that_says_the_same() {
        let field = |field: &str, value, origin| ConfigField { field: field.to_owned(), value, origin };
        let fields = [
            field("a", json!(1), ValueOrigin::Default),
            field("b.c", json!("x # y"), ValueOrigin::File("f.toml".into())),
            field("b.d", json!([]), ValueOrigin::Flag("--d".into())),
            field("z", json!(true), ValueOrigin::Environment("SLUICE_Z".into())),
        ];
        let text = toml(&fields).unwrap();
        assert_eq!(
            text,
            "a = 1  # the default\nz = true  # SLUICE_Z\n\n[b]\nc = \"x # y\"  # f.toml\nd = []  # --d\n"
        );
    }
}
