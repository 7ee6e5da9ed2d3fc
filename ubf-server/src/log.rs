//! Log lines that cannot end the work that they tell of.
//!
//! A line is written by code that the program has chosen, in the task that has something to say.
//! That code may panic: because its output is gone, for example. Then the line is lost, and nothing
//! else.

use std::time::Duration;

/// A time as a number, so that whoever reads the lines can reckon with it.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a line, and contains what goes wrong.
macro_rules! contained_line {
    ($level:ident, $($line:tt)+) => {
        // There is nobody to tell of a panic: the hook of the program was told already.
        $crate::contain::contained(|| ::tracing::$level!($($line)+)).unwrap_or_default()
    };
}

macro_rules! debug {
    ($($line:tt)+) => { $crate::log::contained_line!(debug, $($line)+) };
}

macro_rules! info {
    ($($line:tt)+) => { $crate::log::contained_line!(info, $($line)+) };
}

macro_rules! warn_ {
    ($($line:tt)+) => { $crate::log::contained_line!(warn, $($line)+) };
}

macro_rules! error {
    ($($line:tt)+) => { $crate::log::contained_line!(error, $($line)+) };
}

pub(crate) use {contained_line, debug, error, info, warn_ as warn};
