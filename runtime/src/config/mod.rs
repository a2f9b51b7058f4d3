//! (front door of config)
