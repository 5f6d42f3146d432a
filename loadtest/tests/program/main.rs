//! The program as a user runs it, and the library as others use it.

mod commands;
mod fake;
mod faults;
mod modes;
mod process;
mod scenes;
mod targets;
mod tls;
