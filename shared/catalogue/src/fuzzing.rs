//! The fuzz target of sealed secrets.

use crate::sealing;
use sluice_model::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[("sealed_secret", sealed_secret)];

/// Opens any text as a sealed secret.
pub fn sealed_secret(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        sealing::open_anything(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::fuzzing::rounds;

    #[test]
    fn corpora_and_what_is_like_them_do_no_harm() {
        rounds(TARGETS, concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"), 2000);
    }
}
