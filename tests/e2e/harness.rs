//! The parts that the tests share.

pub(crate) mod check;
pub(crate) mod customer;
pub(crate) mod endpoint;
pub(crate) mod http;
pub(crate) mod ports;
pub(crate) mod random;
pub(crate) mod reference;
pub(crate) mod server;
pub(crate) mod tell;
pub(crate) mod traffic;
pub(crate) mod turn;
pub(crate) mod wait;

pub(crate) use customer::{TestCustomer, TestSubscription};
pub(crate) use endpoint::{Seen, TestEndpoint};
pub(crate) use http::{HttpAnswer, Request};
pub(crate) use random::Random;
pub(crate) use server::{ServerConfig, TestServer};
pub(crate) use tell::tell;
pub(crate) use traffic::Traffic;
pub(crate) use wait::{wait_for, wait_until};

use std::path::PathBuf;

/// A setting of the tests' own, from the environment.
#[expect(clippy::disallowed_methods, reason = "settings of the tests, not configuration of the server")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An empty directory on a real disk, removed when it is dropped.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the test")
}

/// The directory of PyPI's packages.
pub(crate) fn python_packages() -> PathBuf {
    let path = setting("SLUICE_TEST_PYTHON").map(PathBuf::from);
    path.expect(
        "SLUICE_TEST_PYTHON is not set: run the tests with `tests/run`, which installs what they need",
    )
}

/// The directory of npm's packages.
pub(crate) fn node_modules() -> PathBuf {
    let path = setting("SLUICE_TEST_NODE_MODULES").map(PathBuf::from);
    path.expect(
        "SLUICE_TEST_NODE_MODULES is not set: run the tests with `tests/run`, which installs what they need",
    )
}
