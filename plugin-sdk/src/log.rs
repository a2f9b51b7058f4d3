//! Lines for the gateway's log, shown with the trace of the payload: `log::warn!("clock is {days} days off")`.
//!
//! The host takes 16 lines of 256 bytes a call. Natively, a line goes to stderr, where `cargo test` keeps it for the tests
//! that fail.

use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the author.
    Debug,
    /// Worth knowing.
    Info,
    /// Looks wrong.
    Warn,
    /// Is wrong.
    Error,
}

/// Writes one line; the macros of this module call it.
#[cfg(target_arch = "wasm32")]
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    crate::guest::log(level, &text.to_string());
}

/// Writes one line; the macros of this module call it.
#[cfg(not(target_arch = "wasm32"))]
pub fn write(level: Level, text: fmt::Arguments<'_>) {
    eprintln!("{level:?}: {text}");
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Debug, format_args!($($text)+)) };
}
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Info, format_args!($($text)+)) };
}
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Warn, format_args!($($text)+)) };
}
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($($text:tt)+) => { $crate::log::write($crate::log::Level::Error, format_args!($($text)+)) };
}

pub use crate::{__log_debug as debug, __log_error as error, __log_info as info, __log_warn as warn};
