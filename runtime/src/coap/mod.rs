//! (front door of coap)
