//! (front door of demo)
