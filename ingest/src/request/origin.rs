//! Who asks for a change, and from where, for the audit log.

use super::{ApiRequest, Principal};
use crate::request_id;
use http::HeaderMap;
use http::header::{HeaderName, USER_AGENT};
use sluice_model::audit::AuditSource;
use sluice_model::{AuditActor, AuditOrigin};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The most characters of a header that the audit log keeps.
const HEADER_CHARS_MAX: usize = 200;

impl ApiRequest<'_> {
    /// Who sends the request, and from where.
    pub(crate) fn origin(&self) -> AuditOrigin {
        let actor = match &self.principal {
            Principal::Customer(key) => AuditActor::Key { key_id: key.id() },
            Principal::Operator => AuditActor::Admin,
            // No open route changes anything.
            Principal::Anybody => AuditActor::System,
        };
        let headers = &self.parts.headers;
        let from = AuditSource {
            address: self.connection.peer,
            forwarded_for: beginning(headers, &FORWARDED_FOR),
            request_id: request_id::text(self.request_id).to_owned(),
            user_agent: beginning(headers, &USER_AGENT),
        };
        AuditOrigin { actor, from: Some(from) }
    }
}

/// The beginning of a header's value. Bytes that are not ASCII, and control
/// characters, are question marks.
fn beginning(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let bytes = headers.get(name)?.as_bytes();
    let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
    Some(bytes.iter().take(HEADER_CHARS_MAX).map(shown).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_header_is_kept_up_to_its_limit_and_without_what_a_terminal_obeys() {
        let shown = |bytes: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_bytes(bytes).unwrap());
            beginning(&headers, &USER_AGENT).unwrap()
        };
        assert_eq!(shown(b"curl/8 (x)"), "curl/8 (x)");
        assert_eq!(shown(b"a\tb\xffc"), "a?b?c");
        assert_eq!(shown(&[b'x'; 5000]).len(), HEADER_CHARS_MAX);
        assert_eq!(beginning(&HeaderMap::new(), &USER_AGENT), None);
    }
}
