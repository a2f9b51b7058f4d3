//! Who is let in: devices that the operator registered, under the name that their product expects (REFERENCE E.1).
//!
//! A refused device is explained in the log, because its owner sees only a module that never comes online.

use crate::catalog::Catalog;
use crate::model::{Device, Endpoint, EndpointFormat};
use crate::store::{Store, StoreError};

/// Why a Register is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// It is not one of ours, or not under this name; the text explains.
    #[error("{0}")]
    Unknown(String),
    /// The store could not tell.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Finds the device that a Register names.
pub(crate) fn admit(store: &Store, catalog: &Catalog, endpoint: &str) -> Result<Device, Stop> {
    let name = Endpoint::new(endpoint).map_err(|bad| Stop::Unknown(format!("its endpoint client name is impossible: {bad}")))?;
    if let Some(found) = store.device_by_endpoint(endpoint)? {
        let device = found.doc;
        let Some(product) = catalog.active(device.product) else {
            return Err(Stop::Unknown(format!("its product {} does not exist any more", device.product)));
        };
        return match product.product.endpoint_format.check(&name) {
            Ok(()) => Ok(device),
            Err(bad) => Err(Stop::Unknown(format!("this product expects {}, got `{endpoint}`", bad.expected))),
        };
    }
    if let Some(near) = same_imei(store, endpoint)? {
        let expected = catalog.active(near.product).map_or("another form", |active| active.product.endpoint_format.describe());
        return Err(Stop::Unknown(format!(
            "this product expects {expected}, got `{endpoint}`; device {} with this IMEI is registered as `{}`",
            near.id, near.endpoint
        )));
    }
    Err(Stop::Unknown(format!("no device `{endpoint}` is registered; add it with POST /api/v1/devices")))
}

/// A device with the same IMEI under a name of another format.
fn same_imei(store: &Store, endpoint: &str) -> Result<Option<Device>, StoreError> {
    let Some(imei) = EndpointFormat::imei_of(endpoint) else { return Ok(None) };
    for candidate in [imei.to_owned(), format!("urn:imei:{imei}")] {
        if let Some(found) = store.device_by_endpoint(&candidate)? {
            return Ok(Some(found.doc));
        }
    }
    Ok(None)
}

/// Lets a few lines a second through and counts the rest, so that a flood of strangers does not flood the log.
#[derive(Default)]
pub(crate) struct LogBudget {
    second: u64,
    used: u32,
    dropped: u64,
}

impl LogBudget {
    const LINES_PER_SECOND: u32 = 10;

    /// Whether a line may be written now, and how many were kept back since the last one.
    pub(crate) fn take(&mut self, now_ms: u64) -> Option<u64> {
        let second = now_ms / 1_000;
        if second != self.second {
            self.second = second;
            self.used = 0;
        }
        if self.used < Self::LINES_PER_SECOND {
            self.used += 1;
            return Some(std::mem::take(&mut self.dropped));
        }
        self.dropped += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_not_logged() {
        let mut budget = LogBudget::default();
        let lines = (0..1_000).filter(|_| budget.take(5_000).is_some()).count();
        assert_eq!(lines, LogBudget::LINES_PER_SECOND as usize);
        assert_eq!(budget.take(6_000), Some(1_000 - lines as u64));
        assert_eq!(budget.take(6_000), Some(0));
    }
}
