//! The time and the random numbers that the simulation decides, for hash maps, ids, jitter and
//! the runtime's choices alike.
//!
//! The program defines `getrandom` and `clock_gettime` itself, so the standard library and all
//! crates call these instead of the C library's. On a thread that does not simulate, they answer
//! as the system does.
#![expect(unsafe_code, reason = "two functions of the C library are replaced; nothing else here is unsafe")]

use crate::dice::Dice;
use rustix::time::ClockId;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_uint, c_void};
use tokio::time::Instant;

thread_local! {
    static DICE: RefCell<Option<Dice>> = const { RefCell::new(None) };
    static NOW: Cell<Now> = const { Cell::new(Now::Real) };
}

/// The time that the wall clock of this thread shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Now {
    /// The machine's time.
    Real,
    /// This time, in milliseconds since the Unix epoch.
    At(u64),
    /// The clock of a simulated process: the clock of its runtime, which showed `base_ms` at
    /// `epoch`, off by `skew_ms`.
    Of { epoch: Instant, base_ms: u64, skew_ms: i64 },
}

/// From now on, all random numbers on this thread follow from a seed.
pub(crate) fn seed(seed: u64) {
    DICE.with(|dice| *dice.borrow_mut() = Some(Dice::new(seed)));
}

/// Sets the thread's wall clock.
pub(crate) fn set(now: Now) {
    NOW.with(|cell| cell.set(now));
}

/// Simulated milliseconds since the Unix epoch, without any skew.
pub(crate) fn true_ms() -> u64 {
    match NOW.with(Cell::get) {
        Now::Real => 0,
        Now::At(ms) => ms,
        Now::Of { epoch, base_ms, .. } => base_ms + epoch.elapsed().as_millis() as u64,
    }
}

fn wall_ns() -> Option<i64> {
    match NOW.try_with(Cell::get).ok()? {
        Now::Real => None,
        Now::At(ms) => Some(ms as i64 * 1_000_000),
        Now::Of { epoch, base_ms, skew_ms } => {
            Some((base_ms as i64 + skew_ms) * 1_000_000 + epoch.elapsed().as_nanos() as i64)
        }
    }
}

/// The C library's `getrandom`, from the thread's dice if it has any.
///
/// # Safety
/// As the C library's: `buffer` holds `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller's buffer has that length; bytes need no alignment.
    let out = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let diced = DICE.try_with(|dice| match dice.try_borrow_mut().as_deref_mut() {
        Ok(Some(dice)) => {
            for chunk in out.chunks_mut(8) {
                chunk.copy_from_slice(&dice.next().to_le_bytes()[..chunk.len()]);
            }
            true
        }
        _ => false,
    });
    if diced.unwrap_or(false) {
        return length as isize;
    }
    match rustix::rand::getrandom(out, rustix::rand::GetRandomFlags::empty()) {
        Ok(count) => count as isize,
        Err(_) => -1,
    }
}

/// As `struct timespec` on 64-bit Linux.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// The C library's `clock_gettime`, with the thread's simulated wall clock if it has one.
///
/// # Safety
/// As the C library's: `out` points to a `struct timespec`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: c_int, out: *mut Timespec) -> c_int {
    let clock = match clock {
        0 | 5 => match wall_ns() {
            Some(ns) => {
                let (seconds, nanoseconds) = (ns / 1_000_000_000, ns % 1_000_000_000);
                // SAFETY: the caller's pointer is to a timespec.
                unsafe { out.write(Timespec { seconds, nanoseconds }) };
                return 0;
            }
            None => ClockId::Realtime,
        },
        2 => ClockId::ProcessCPUTime,
        3 => ClockId::ThreadCPUTime,
        7 => ClockId::Boottime,
        _ => ClockId::Monotonic,
    };
    let now = rustix::time::clock_gettime(clock);
    // SAFETY: the caller's pointer is to a timespec.
    unsafe { out.write(Timespec { seconds: now.tv_sec, nanoseconds: now.tv_nsec }) };
    0
}
