//! Sample codec.
