//! codecgate: a self-hosted gateway for NB-IoT / LwM2M devices.
//!
//! A device's datagram becomes a pushed event; a command becomes bytes. `ARCHITECTURE.md` beside this crate is the map:
//! layers, the two flows, invariants. A module names only modules of the layers above it, and a test holds that.

// words
pub mod model;

// pure protocol and rules: no I/O, no clock, no randomness
pub mod breaker;
pub mod coap;
pub mod command;
pub mod enrol;
pub mod explain;
pub mod layout;
pub mod lwm2m;
pub mod package;
pub mod presence;
pub mod profile;
pub mod vectors;

// one outside thing each
pub mod clock;
pub mod codec;
pub mod store;
pub mod trace;
pub mod transport;
pub mod webhook;
pub mod why;

// flows
pub mod admission;
pub mod catalog;
pub mod downlink;
pub mod redecode;
pub mod shadow;
pub mod shard;
pub mod uplink;
pub mod watch;

// northbound
pub mod api;

// composition
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod simulate;
pub mod telemetry;
