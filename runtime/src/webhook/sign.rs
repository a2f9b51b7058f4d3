//! The signature of a push, as in Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.
//!
//! Knows no HTTP. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, "Symmetric".

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::Secret;

/// Keys are pasted by people: the padding may be missing.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The key of one subscription, ready to sign.
#[derive(Clone)]
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    /// `whsec_` and base64 is decoded, as Standard Webhooks has it; any other text is the key itself, as UTF-8.
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub(super) fn new(secret: &Secret) -> Self {
        let text = secret.expose();
        let decoded = text.strip_prefix("whsec_").and_then(|key| LENIENT.decode(key).ok());
        let key = decoded.unwrap_or_else(|| text.as_bytes().to_vec());
        Self(Hmac::new_from_slice(&key).expect("HMAC takes a key of any length"))
    }

    /// The value of `webhook-signature`; `timestamp` in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = self.0.clone();
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published by the reference libraries:
    /// <https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/index.test.ts>
    #[test]
    fn the_published_vector() {
        let signer = Signer::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// Computed with Python's hmac and hashlib.
    #[test]
    fn a_plain_secret_is_its_own_key() {
        let signer = Signer::new(&Secret::new("schlüssel"));
        let signature = signer.sign("20780-184-3", 1_700_000_000, "{\"id\":\"20780-184-3\",\"kind\":\"report\"}");
        assert_eq!(signature, "v1,Os69SRT6nDuuI5nlUkoCpIPCSLJRX/GlLUEHjmW6F6Q=");
    }

    #[test]
    fn padding_may_be_left_out_and_a_prefix_alone_makes_no_key() {
        let sign = |secret: &str| Signer::new(&Secret::new(secret)).sign("a", 1, "b");
        assert_eq!(sign("whsec_c2VjcmV0MQ=="), sign("whsec_c2VjcmV0MQ"));
        assert_eq!(sign("whsec_c2VjcmV0MQ=="), sign("secret1"));
        assert_ne!(sign("whsec_not base64"), sign("not base64"));
    }
}
