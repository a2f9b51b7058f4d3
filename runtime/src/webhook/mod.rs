//! (front door of webhook)
