//! Reading the text that `/metrics` serves (Prometheus, "Text-based format"), because the
//! process' registry gives its values in no other form.

/// One sample: a series and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    /// Labels in the order of the text.
    pub(crate) labels: Vec<(&'a str, String)>,
    pub(crate) value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// The samples of a text; other lines are skipped.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// A label's name and its value.
type Label<'a> = (&'a str, String);

/// The labels up to the closing brace, and the rest of the line.
fn labels(mut rest: &str) -> Option<(Vec<Label<'_>>, &str)> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((all, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = label_value(quoted)?;
        all.push((name, value));
        rest = after;
    }
}

/// A label's value up to its closing quote, and the rest.
fn label_value(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[place + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let text = "# HELP a_total x\n# TYPE a_total counter\na_total{route=\"x\",status=\"5xx\"} 12\n\nb 0.5 1700000000\nc{le=\"+Inf\"} 3\n";
        let read: Vec<_> = samples(text).collect();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].name, read[0].label("status"), read[0].value), ("a_total", Some("5xx"), 12.0));
        assert_eq!((read[1].name, read[1].labels.len(), read[1].value), ("b", 0, 0.5));
        assert_eq!(read[2].label("le"), Some("+Inf"));
    }

    #[test]
    fn escapes_and_braces_in_a_label_do_not_end_it() {
        let read = sample(r#"a{b="x\"}\\\n, c=\"",d="e"} 1"#).unwrap();
        assert_eq!(read.label("b"), Some("x\"}\\\n, c=\""));
        assert_eq!(read.label("d"), Some("e"));
    }

    #[test]
    fn lines_that_are_no_sample_are_passed_over() {
        assert_eq!(samples("a\na{b=\"c\na{b} 1\n\na{b=\"c\"} x\n").count(), 0);
    }
}
