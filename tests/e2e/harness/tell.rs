//! What a run tells even where every test passes.

use std::io::Write;

/// Writes a line to stderr, past the capturing of tests' output.
pub(crate) fn tell(line: &str) {
    // Without a stderr there is nobody to tell.
    writeln!(std::io::stderr(), "{line}").ok();
}
