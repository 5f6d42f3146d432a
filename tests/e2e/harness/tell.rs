//! Prints lines even if every test passes.

use std::io::Write;

/// Writes a line to stderr, which the capturing of tests' output does not hide.
pub(crate) fn tell(line: &str) {
    // Without a stderr nobody can read it.
    writeln!(std::io::stderr(), "{line}").ok();
}
