//! Exports the program's `getrandom`, so that code which looks it up at run time finds it.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
}
