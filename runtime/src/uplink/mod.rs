//! (front door of uplink)
