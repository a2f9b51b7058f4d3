//! What a codec may ask of the device it is called for. Each question is a call to the host: ask only when needed.
//!
//! In native tests [`testing::with_device`](crate::testing::with_device) says what the answers are.

/// The LwM2M endpoint client name.
#[must_use]
pub fn endpoint() -> String {
    platform::endpoint()
}

/// An attribute that the operator gave the device.
#[must_use]
pub fn attribute(name: &str) -> Option<String> {
    platform::attribute(name)
}

#[cfg(target_arch = "wasm32")]
use crate::guest as platform;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod platform {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    /// The device that this thread's tests pretend to serve.
    #[derive(Debug, Default, Clone)]
    pub(crate) struct Card {
        pub(crate) endpoint: String,
        pub(crate) attributes: BTreeMap<String, String>,
    }

    thread_local! {
        pub(crate) static CARD: RefCell<Card> = RefCell::default();
    }

    pub(crate) fn endpoint() -> String {
        CARD.with_borrow(|card| card.endpoint.clone())
    }

    pub(crate) fn attribute(name: &str) -> Option<String> {
        CARD.with_borrow(|card| card.attributes.get(name).cloned())
    }
}
