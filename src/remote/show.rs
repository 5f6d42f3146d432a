//! Answers for people and for programs. Text of a server, or of an endpoint, reaches
//! the terminal without its control characters.

use super::call::{Column, Show};
use crate::output::print;
use serde_json::Value;
use std::fmt::Write as _;

/// Characters of a cell; the rest is in `--json`.
const CELL_MAX: usize = 80;

/// Prints the answer on one line; prints nothing if there is none.
pub(super) fn json(answer: &Value) -> anyhow::Result<()> {
    if answer.is_null() { Ok(()) } else { print(&format!("{answer}\n")) }
}

/// Prints the answer as `show` says; a table's titles only on its first page.
pub(super) fn people(show: &Show, answer: &Value, first_page: bool) -> anyhow::Result<()> {
    match show {
        Show::Done(text) => print(&format!("{text}\n")),
        Show::Fields => print(&fields(answer)),
        Show::List { list, columns } => {
            let rows = answer[*list].as_array().map(Vec::as_slice).unwrap_or_default();
            print(&table(columns, rows, first_page))
        }
    }
}

fn table(columns: &[Column], rows: &[Value], titles: bool) -> String {
    let head = columns.iter().map(|(title, _)| (*title).to_owned()).collect::<Vec<_>>();
    let cells = rows.iter().map(|row| {
        columns.iter().map(|(_, pointer)| cell(row.pointer(pointer).unwrap_or(&Value::Null))).collect()
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for line in lines.iter().skip(usize::from(!titles)) {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            write!(text, "{cell:<width$}  ").expect("a string takes all text");
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn cell(value: &Value) -> String {
    let text = line(value);
    if text.chars().count() <= CELL_MAX {
        return text;
    }
    let mut cut: String = text.chars().take(CELL_MAX - 1).collect();
    cut.push('…');
    cut
}

/// A value on one line: text as it is, null as a dash, the rest as JSON.
fn line(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// One field a line; fields of fields by their path.
fn fields(answer: &Value) -> String {
    let mut all = Vec::new();
    collect("", answer, &mut all);
    let width = all.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in all {
        writeln!(out, "{name:<width$}  {value}").expect("a string takes all text");
    }
    out
}

fn collect(path: &str, value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        // A payload is shown whole, as its JSON.
        Value::Object(fields)
            if !matches!(path, "payload" | "event_selector" | "schema") && !fields.is_empty() =>
        {
            for (name, value) in fields {
                let separator = if path.is_empty() { "" } else { "." };
                collect(&printable(&format!("{path}{separator}{name}")), value, all);
            }
        }
        _ => all.push((path.to_owned(), line(value))),
    }
}

/// The text with its control characters escaped.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(is_unprintable) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// Control characters, and characters that reverse the direction of text.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_lines_up_and_shows_nothing_as_a_dash() {
        let rows = [json!({"id": "a", "of": {"n": 12}}), json!({"id": "long", "of": {}})];
        let columns = [("ID", "/id"), ("N", "/of/n")];
        assert_eq!(table(&columns, &rows, true), "ID    N\na     12\nlong  -\n");
        assert_eq!(table(&columns, &rows, false), "a     12\nlong  -\n");
    }

    #[test]
    fn fields_are_named_by_their_path_and_a_payload_is_shown_whole() {
        let answer = json!({"batch": {"max_events": 100}, "payload": {"a": [1]}, "x": {}});
        assert_eq!(
            fields(&answer),
            "batch.max_events  100\npayload           {\"a\":[1]}\nx                 {}\n"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}\n\u{202e}"), "a\\u{1b}]0;x\\u{7}\\n\\u{202e}");
        assert_eq!(cell(&json!("ü".repeat(200))).chars().count(), CELL_MAX);
    }
}
