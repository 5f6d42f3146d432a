//! Lets the program's `getrandom` be found by those who look it up while it runs.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
}
