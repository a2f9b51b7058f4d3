//! (front door of command)
