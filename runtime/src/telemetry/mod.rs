//! (front door of telemetry)
