//! Standard output and standard error.

use anyhow::Context;
use std::io::{ErrorKind, Write as _, stderr, stdout};

/// Prints a text. A reader such as `head`, which has closed the pipe, wants no more of it.
///
/// # Errors
/// If standard output cannot be written to, for instance because the disk is full.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("write to standard output"),
    }
}

/// Prints a line on standard error, if that can be written to.
pub(crate) fn complain(text: &str) {
    // Nobody is left to tell.
    stderr().lock().write_all(format!("{text}\n").as_bytes()).ok();
}

/// Prints a line, like `println!`, which would panic if standard output is closed or full.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::output::print(&format!("{}\n", format_args!($($argument)*)))
    };
}

pub(crate) use say;
