//! The suite that every adapter of the e-mail port passes, and its reader of mails.

use super::{Mail, MailAddress, Mailer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

/// A mail as it arrived on the other side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ArrivedMail {
    /// The identity by which the other side recognises a repeat.
    pub(super) identity: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
    /// The names of its headers, in lower case.
    pub(super) headers: Vec<String>,
}

/// A mail that may be sent.
pub(super) fn sample(key: &str) -> Mail {
    mail(key, "We are on it", "Hello,\n\nthis is a mail.\n")
}

fn mail(key: &str, subject: &str, text: &str) -> Mail {
    let to = MailAddress::parse("ann@example.com").unwrap();
    Mail::new(key, to, Some("Ann Example".into()), subject.into(), text.into()).unwrap()
}

/// Checks the contract; `arrived` returns the mails that the other side has.
pub(super) async fn suite(mailer: &dyn Mailer, arrived: impl Fn() -> Vec<ArrivedMail>) {
    assert!(!mailer.place().is_empty());

    // One mail arrives once, as it is.
    assert!(!mailer.send(&sample("first")).await.unwrap().is_empty());
    let all = arrived();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].to.as_str(), all[0].subject.as_str()), ("ann@example.com", "We are on it"));
    assert_eq!(lines(&all[0].text), lines("Hello,\n\nthis is a mail.\n"));

    // A mail that is sent again with its key is the same mail to the other side.
    mailer.send(&sample("first")).await.unwrap();
    let identities: BTreeSet<_> = arrived().into_iter().map(|mail| mail.identity).collect();
    assert_eq!(identities.len(), 1);

    // Subjects and texts of all kinds arrive whole, and add no header.
    let long = "long words ".repeat(22);
    let texts = [
        "ends without a line's end",
        "\n.\n..\n.x\nFrom me\nQUIT\nDATA\n",
        "Grüße aus Zürich, 你好, 🦀 \u{202e}txet\n",
        "tab\there = and =3D and trailing =\n",
        "To: nobody@example.com\nBcc: nobody@example.com\n\nX: y\n",
    ];
    let subjects =
        ["Überfällig: \u{201c}Rechnung\u{201d} 🦀", "=?utf-8?q?not_coded?=", long.trim(), "a: b; c", "x"];
    for (nth, (subject, text)) in subjects.into_iter().zip(texts).enumerate() {
        mailer.send(&mail(&format!("kind-{nth}"), subject, text)).await.unwrap();
        let all = arrived();
        let found = all.iter().find(|mail| mail.subject == subject);
        let found = found.unwrap_or_else(|| panic!("no mail with the subject {subject:?} in {all:#?}"));
        assert_eq!(lines(&found.text), lines(text), "{subject}");
        let doubled = ["to", "subject", "from", "bcc"]
            .map(|name| found.headers.iter().filter(|known| *known == name).count());
        assert!(found.headers.is_empty() || doubled == [1, 1, 1, 0], "{:?}", found.headers);
    }

    // Many lines and a long one.
    let much = format!("{}\n{}", "x".repeat(5000), "line\n".repeat(2000));
    mailer.send(&mail("much", "much", &much)).await.unwrap();
    let all = arrived();
    assert_eq!(lines(&all.iter().find(|mail| mail.subject == "much").unwrap().text), lines(&much));

    // Two at the same time both arrive.
    let (one, two) = (mail("one", "one", "1"), mail("two", "two", "2"));
    let (first, second) = tokio::join!(mailer.send(&one), mailer.send(&two));
    first.and(second).unwrap();
    let subjects: BTreeSet<_> = arrived().into_iter().map(|mail| mail.subject).collect();
    assert!(subjects.contains("one") && subjects.contains("two"));
}

/// Lines without their line ends.
fn lines(text: &str) -> Vec<String> {
    text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
}

/// Reads a letter: folded headers, coded words, and the two codings of bodies.
pub(super) fn read_letter(bytes: &[u8]) -> ArrivedMail {
    let text = std::str::from_utf8(bytes).expect("a letter is ASCII or UTF-8");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "every line ends with CR and LF");
    assert!(text.lines().all(|line| line.len() <= 998), "RFC 5322, 2.1.1");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers: Vec<(String, String)> = head
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let header =
        |name: &str| headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let to = header("to");
    let to = to.rsplit_once('<').map_or(to, |(_, address)| address.trim_end_matches('>'));
    let text = match header("content-transfer-encoding") {
        "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
        "quoted-printable" => quoted_printable(body),
        _ => body.to_owned(),
    };
    ArrivedMail {
        identity: header("message-id").to_owned(),
        to: to.to_owned(),
        subject: coded_words(header("subject")),
        text,
        headers: headers.into_iter().map(|(name, _)| name).collect(),
    }
}

/// RFC 2045, 6.7.
fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'=' {
            let code = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(code, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// RFC 2047: words in base64; the blanks between two of them are no part of the text.
fn coded_words(text: &str) -> String {
    let (mut out, mut last_was_coded) = (String::new(), false);
    for word in text.split(' ') {
        let coded = word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?="));
        if !(out.is_empty() || last_was_coded && coded.is_some()) {
            out.push(' ');
        }
        match coded {
            Some(coded) => out.push_str(std::str::from_utf8(&STANDARD.decode(coded).unwrap()).unwrap()),
            None => out.push_str(word),
        }
        last_was_coded = coded.is_some();
    }
    out
}
