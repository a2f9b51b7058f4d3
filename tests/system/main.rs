//! System tests: a whole gateway in process, with real UDP, HTTP and components. What a user is promised, seen from outside.

mod commands;
mod push;
mod registration;
mod restart;
mod uplinks;
