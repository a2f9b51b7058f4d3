//! Does a request come from where it says? Values of the Echo option (RFC 9175 2.3, appendix A): a keyed digest of address and
//! time, so that nothing is kept until the address is proven. Knows no clock.

use std::net::{IpAddr, SocketAddr};

use crate::model::Timestamp;

/// A value is taken for this long at least, and twice as long at most.
const BUCKET_MS: u64 = 64_000;
/// Bytes of a value.
const BYTES: usize = 8;

/// Most bytes of an answer to an unproven address, in bytes of its request (RFC 9175 2.4, RFC 7252 11.3).
pub const AMPLIFICATION: usize = 3;

/// Makes and judges Echo values.
#[derive(Clone)]
pub struct Echo {
    key: [u8; 32],
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Echo")
    }
}

impl Echo {
    /// With a secret key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The value for an address now.
    #[must_use]
    pub fn value(&self, wall: Timestamp, peer: SocketAddr) -> Vec<u8> {
        self.digest(wall.0 / BUCKET_MS, peer).to_be_bytes().to_vec()
    }

    /// Was this value given to this address, a short while ago?
    #[must_use]
    pub fn proves(&self, wall: Timestamp, peer: SocketAddr, value: &[u8]) -> bool {
        let Some(value) = value.first_chunk::<BYTES>().filter(|_| value.len() == BYTES) else { return false };
        let (value, bucket) = (u64::from_be_bytes(*value), wall.0 / BUCKET_MS);
        [bucket, bucket.wrapping_sub(1)].into_iter().any(|bucket| self.digest(bucket, peer) == value)
    }

    fn digest(&self, bucket: u64, peer: SocketAddr) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&bucket.to_be_bytes()).update(&peer.port().to_be_bytes());
        match peer.ip() {
            IpAddr::V4(address) => hasher.update(&address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => hasher.update(&address.octets()),
        };
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_value_proves_its_address_for_a_while() {
        let echo = Echo::new([7; 32]);
        let [peer, port, host] = ["192.0.2.1:5683", "192.0.2.1:5684", "192.0.2.2:5683"].map(|text| text.parse().unwrap());
        let value = echo.value(NOON, peer);
        assert!(echo.proves(NOON, peer, &value));
        assert!(echo.proves(NOON.plus_ms(BUCKET_MS), peer, &value));
        assert!(!echo.proves(NOON.plus_ms(2 * BUCKET_MS), peer, &value), "over");
        for other in [port, host] {
            assert!(!echo.proves(NOON, other, &value), "another address");
        }
        assert!(!Echo::new([8; 32]).proves(NOON, peer, &value), "another key");
        for bad in [&b""[..], &value[..7], &[&value[..], &[0]].concat()] {
            assert!(!echo.proves(NOON, peer, bad));
        }
    }

    #[test]
    fn the_same_address_written_as_version_6_is_the_same() {
        let echo = Echo::new([7; 32]);
        let mapped = "[::ffff:192.0.2.1]:5683".parse().unwrap();
        assert_eq!(echo.value(NOON, "192.0.2.1:5683".parse().unwrap()), echo.value(NOON, mapped));
    }
}
