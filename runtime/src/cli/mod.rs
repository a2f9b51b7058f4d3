//! (front door of cli)
