//! (front door of api)
