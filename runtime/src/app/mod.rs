//! (front door of app)
