//! (front door of transport)
