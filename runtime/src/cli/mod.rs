//! (front door of cli)

pub mod build;
