//! Leaves the names of functions out of release binaries.
//!
//! `strip = "symbols"` would do it, but Cargo 1.95 forgets that setting for a package that
//! has an optimisation level of its own in the profile, as this one has.

#[expect(clippy::disallowed_methods, reason = "Cargo speaks to build scripts by the environment")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|text| text == value);
    // The profile `profiling` has debug information.
    if is("PROFILE", "release") && is("DEBUG", "false") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
}
