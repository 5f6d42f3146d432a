//! The program as a user runs it, and the library as others use it.

mod commands;
mod modes;
mod process;
mod scenes;
