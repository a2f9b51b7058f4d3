//! What each [`Write`] means in keys: the record, its indexes, its uniqueness, its counters. Knows no transaction and no disk.

use crate::model::{CodecVersion, Device, DeviceId, Product, ProductId, Subscription, VersionNumber};

use super::commands::{command_of, delete_batch, delete_command, put_batch, put_command};
use super::keys::{self, Kind};
use super::staging::Staging;
use super::{CodecRecord, Expect, StoreError, Write};

/// Stages one write.
///
/// # Errors
/// [`StoreError::Conflict`] or [`StoreError::Exists`]: the commit must not be applied. [`StoreError::Fatal`]: nothing can be.
pub(super) fn stage(staging: &mut Staging<'_>, write: &Write) -> Result<(), StoreError> {
    match write {
        Write::PutProduct(product, expect) => put_product(staging, product, *expect),
        Write::DeleteProduct(id) => delete_product(staging, *id),
        Write::PutDevice(device, expect) => put_device(staging, device, *expect),
        Write::DeleteDevice(id) => delete_device(staging, *id),
        Write::PutRegistration(registration) => {
            require_device(staging, registration.device)?;
            staging.store("registration", keys::registration(registration.device), registration, Expect::Any)
        }
        Write::DeleteRegistration(device) => staging.remove("registration", keys::registration(*device)),
        Write::PutPresence(presence) => {
            require_device(staging, presence.device)?;
            staging.store("presence", keys::presence(presence.device), presence, Expect::Any)
        }
        Write::PutCommand(command, expect) => put_command(staging, command, *expect),
        Write::PutBatch(batch, expect) => put_batch(staging, batch, *expect),
        Write::DeleteBatch(id) => delete_batch(staging, *id),
        Write::PutVersion(version) => put_version(staging, version),
        Write::DeleteVersion(product, number) => delete_version(staging, *product, *number),
        Write::PutCodec(codec) => put_codec(staging, codec),
        Write::PutSubscription(subscription) => put_subscription(staging, subscription),
        Write::DeleteSubscription(id) => {
            staging.delete(keys::cursor(*id));
            staging.remove("subscription", keys::subscription(*id))
        }
        Write::PutCursor(id, event) => {
            // A delivery may end after its subscription did; a cursor without one would stay for ever.
            if staging.has(&keys::subscription(*id))? {
                staging.put(keys::cursor(*id), keys::place_bytes(*event));
            }
            Ok(())
        }
    }
}

fn put_product(staging: &mut Staging<'_>, product: &Product, expect: Expect) -> Result<(), StoreError> {
    let key = keys::product(product.id);
    let unique = keys::product_key(&product.key);
    let id = product.id.0.to_be_bytes();
    if staging.get(&unique)?.is_some_and(|owner| owner != id) {
        return Err(StoreError::Exists(format!("a product `{}`", product.key)));
    }
    if let Some(old) = staging.load::<Product>("product", &key)?
        && old.doc.key != product.key
    {
        staging.delete(keys::product_key(&old.doc.key));
    }
    staging.put(unique, id.to_vec());
    staging.raise_counter("product", u64::from(product.id.0))?;
    staging.store("product", key, product, expect)
}

fn delete_product(staging: &mut Staging<'_>, id: ProductId) -> Result<(), StoreError> {
    let key = keys::product(id);
    let Some(old) = staging.load::<Product>("product", &key)? else { return Ok(()) };
    if device_count(staging, id)? > 0 {
        return Err(StoreError::Conflict("product"));
    }
    for (key, _) in staging.under(&keys::key(Kind::Version, &[&id.0.to_be_bytes()]))? {
        if let Some(bytes) = key.last_chunk() {
            delete_version(staging, id, VersionNumber(u32::from_be_bytes(*bytes)))?;
        }
    }
    for (key, _) in staging.under(&keys::codec(id, ""))? {
        let digest = key.get(9..).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default().to_owned();
        delete_codec(staging, id, &digest)?;
    }
    staging.delete(keys::product_key(&old.doc.key));
    staging.delete(keys::device_count(id));
    staging.remove("product", key)
}

fn put_device(staging: &mut Staging<'_>, device: &Device, expect: Expect) -> Result<(), StoreError> {
    let key = keys::device(device.id);
    let by_endpoint = keys::endpoint(device.endpoint.as_str());
    let id = device.id.0.to_be_bytes();
    if staging.get(&by_endpoint)?.is_some_and(|owner| owner != id) {
        return Err(StoreError::Exists(format!("a device with the endpoint `{}`", device.endpoint)));
    }
    if !staging.has(&keys::product(device.product))? {
        return Err(StoreError::Conflict("product"));
    }
    let old = staging.load::<Device>("device", &key)?.map(|old| old.doc);
    if let Some(old) = &old {
        if old.endpoint != device.endpoint {
            staging.delete(keys::endpoint(old.endpoint.as_str()));
        }
        if old.product != device.product {
            leave_product(staging, old)?;
        }
    }
    if old.is_none_or(|old| old.product != device.product) {
        let count = device_count(staging, device.product)? + 1;
        staging.put(keys::device_count(device.product), count.to_be_bytes().to_vec());
        staging.put(keys::product_device(device.product, device.id), Vec::new());
    }
    staging.put(by_endpoint, id.to_vec());
    staging.raise_counter("device", device.id.0)?;
    staging.store("device", key, device, expect)
}

fn delete_device(staging: &mut Staging<'_>, id: DeviceId) -> Result<(), StoreError> {
    let key = keys::device(id);
    let Some(old) = staging.load::<Device>("device", &key)? else { return Ok(()) };
    leave_product(staging, &old.doc)?;
    staging.delete(keys::endpoint(old.doc.endpoint.as_str()));
    staging.delete(keys::seen(id));
    staging.remove("registration", keys::registration(id))?;
    staging.remove("presence", keys::presence(id))?;
    for (key, _) in staging.under(&keys::key(Kind::DeviceCommand, &[&id.0.to_be_bytes()]))? {
        if let Some(command) = command_of(&key) {
            delete_command(staging, command)?;
        }
    }
    staging.remove("device", key)
}

fn leave_product(staging: &mut Staging<'_>, device: &Device) -> Result<(), StoreError> {
    let count = device_count(staging, device.product)?.saturating_sub(1);
    staging.put(keys::device_count(device.product), count.to_be_bytes().to_vec());
    staging.delete(keys::product_device(device.product, device.id));
    Ok(())
}

fn device_count(staging: &Staging<'_>, product: ProductId) -> Result<u64, StoreError> {
    Ok(staging.get(&keys::device_count(product))?.and_then(|bytes| keys::number_at(&bytes)).unwrap_or(0))
}

pub(super) fn require_device(staging: &Staging<'_>, id: DeviceId) -> Result<(), StoreError> {
    if staging.has(&keys::device(id))? { Ok(()) } else { Err(StoreError::Conflict("device")) }
}

fn put_version(staging: &mut Staging<'_>, version: &CodecVersion) -> Result<(), StoreError> {
    if !staging.has(&keys::product(version.product))? {
        return Err(StoreError::Conflict("product"));
    }
    delete_codec(staging, version.product, &version.component)?;
    for digest in version.files() {
        staging.put(keys::version_file(digest, version.product, version.number), Vec::new());
    }
    staging.store("version", keys::version(version.product, version.number), version, Expect::Absent)
}

fn delete_version(staging: &mut Staging<'_>, product: ProductId, number: VersionNumber) -> Result<(), StoreError> {
    let key = keys::version(product, number);
    let Some(old) = staging.load::<CodecVersion>("version", &key)? else { return Ok(()) };
    for digest in old.doc.files() {
        staging.delete(keys::version_file(digest, product, number));
    }
    staging.remove("version", key)
}

fn delete_codec(staging: &mut Staging<'_>, product: ProductId, digest: &str) -> Result<(), StoreError> {
    staging.delete(keys::codec_digest(digest, product));
    staging.remove("codec", keys::codec(product, digest))
}

fn put_codec(staging: &mut Staging<'_>, codec: &CodecRecord) -> Result<(), StoreError> {
    staging.store("codec", keys::codec(codec.product, &codec.digest), codec, Expect::Any)
}

fn put_subscription(staging: &mut Staging<'_>, subscription: &Subscription) -> Result<(), StoreError> {
    staging.raise_counter("subscription", u64::from(subscription.id.0))?;
    staging.store("subscription", keys::subscription(subscription.id), subscription, Expect::Any)
}
