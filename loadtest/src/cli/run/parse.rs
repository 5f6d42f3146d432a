//! Arguments of `run` that are more than a number, and the files they name.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};

use sluice_loadtest::duration;

/// `220`, or `200..4000`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) low: usize,
    pub(super) high: Option<usize>,
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_why| format!("{text:?} is not a number of bytes"));
        match text.split_once("..") {
            Some((low, high)) => Ok(Self { low: number(low)?, high: Some(number(high)?) }),
            None => Ok(Self { low: number(text)?, high: None }),
        }
    }
}

/// `10x/1s/10s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    pub(super) factor: f64,
    pub(super) length: Duration,
    pub(super) period: Duration,
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('/').collect();
        let [factor, length, period] = parts[..] else {
            return Err(format!("{text:?} is not FACTORx/LENGTH/PERIOD, as in 10x/1s/10s"));
        };
        let factor = factor.strip_suffix('x').and_then(|factor| factor.parse().ok());
        Ok(Self {
            factor: factor.ok_or_else(|| format!("{text:?} does not start with a factor, as in 10x"))?,
            length: duration::parse(length)?,
            period: duration::parse(period)?,
        })
    }
}

/// Reads one template, or one from each line.
pub(super) fn read_templates(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')) && !lines.is_empty() {
        return Ok(lines.into_iter().map(str::to_owned).collect());
    }
    Ok(vec![text])
}

/// Reads one key from each line.
pub(in crate::cli) fn read_keys(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let keys: Vec<_> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if keys.is_empty() {
        bail!("{} has no keys", file.display());
    }
    Ok(keys)
}

/// The body of plain requests: the text, or the content of `@FILE`.
pub(super) fn read_body(text: &str) -> anyhow::Result<String> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("reading {file}")),
        None => Ok(text.to_owned()),
    }
}
