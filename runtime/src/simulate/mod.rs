//! (front door of simulate)
