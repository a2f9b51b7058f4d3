//! How long the acknowledgement of a downlink is waited for (REFERENCE C.5, C.6; RFC 7252 4.8.2). Pure.

use crate::model::{Command, Timestamp};

/// How long a downlink is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) ack_ms: u64,
    pub(super) max_retransmit: u8,
    /// Added, so that the transport gives up first.
    pub(super) grace_ms: u64,
}

impl Patience {
    /// The longest span of so many retransmissions (RFC 7252 MAX_TRANSMIT_WAIT).
    fn span_ms(self, retransmissions: u8) -> u64 {
        self.ack_ms.saturating_mul(2_u64.saturating_pow(u32::from(retransmissions) + 1) - 1)
    }

    /// Until when a message that leaves now is waited for, and with how many retransmissions.
    pub(super) fn of(self, command: &Command, edrx_timeout_s: Option<u32>, now: Timestamp) -> (Timestamp, Option<u8>) {
        let Some(seconds) = edrx_timeout_s else {
            return (now.plus_ms(self.span_ms(self.max_retransmit).saturating_add(self.grace_ms)), command.max_retransmit);
        };
        let wait = u64::from(seconds) * 1_000;
        let most = command.max_retransmit.unwrap_or(self.max_retransmit).min(self.max_retransmit);
        let fitting = (0..=most).rev().find(|count| self.span_ms(*count) <= wait).unwrap_or(0);
        (now.plus_ms(wait), Some(fitting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandId, DeviceId, ProductId, Work};

    #[test]
    fn an_edrx_timeout_stretches_the_time_or_leaves_out_retransmissions() {
        let patience = Patience { ack_ms: 15_000, max_retransmit: 3, grace_ms: 20_000 };
        let command = Command::new(CommandId(1), (DeviceId(1), ProductId(1)), Work::Raw(vec![1]), Timestamp(0));
        let of = |most, edrx| patience.of(&Command { max_retransmit: most, ..command.clone() }, edrx, Timestamp(0));
        assert_eq!(of(None, None), (Timestamp(245_000), None), "225 s, and the transport gives up first");
        assert_eq!(of(Some(1), None), (Timestamp(245_000), Some(1)));
        for (seconds, fitting) in [(600, 3), (225, 3), (224, 2), (50, 1), (20, 0), (1, 0)] {
            assert_eq!(of(None, Some(seconds)), (Timestamp(u64::from(seconds) * 1_000), Some(fitting)), "{seconds} s");
        }
        assert_eq!(of(Some(1), Some(600)).1, Some(1));
    }
}
