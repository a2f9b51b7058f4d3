//! System tests: a whole gateway in process, with real UDP, HTTP and components. What a user is promised, seen from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at any surprise")]

mod api;
mod batches;
mod codecs;
mod commands;
mod contents;
mod enrolment;
mod faq;
mod lifecycle;
mod presence;
mod push;
mod queue;
mod registration;
mod restart;
mod shapes;
mod trace;
mod uplinks;
mod versions;
mod watch;
