//! How long the acknowledgement of a downlink is waited for (REFERENCE C.5, C.6; RFC 7252 4.8.2). Pure.

use std::time::Duration;

use crate::lwm2m::Pace;
use crate::model::{Command, Timestamp};

/// How long a downlink is waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) ack_ms: u64,
    pub(super) max_retransmit: u8,
    /// Added, so that the transport gives up first.
    pub(super) grace_ms: u64,
}

/// What is special about an eDRX device; nothing about all others.
#[derive(Clone, Copy, Default)]
pub(super) struct Edrx {
    /// How long its product gives it to acknowledge, if it says so.
    pub(super) timeout_s: Option<u32>,
    /// Its paging cycle.
    pub(super) paging: Duration,
}

impl Patience {
    /// The longest span of so many retransmissions (RFC 7252 MAX_TRANSMIT_WAIT).
    fn span_ms(self, retransmissions: u8, paging: Duration) -> u64 {
        // The random factor stretches the paging cycle too; twice is more than it may be.
        let paging_ms = u64::try_from(paging.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
        self.ack_ms.saturating_add(paging_ms).saturating_mul(2_u64.saturating_pow(u32::from(retransmissions) + 1) - 1)
    }

    /// Until when a message that leaves now is waited for, and with how many retransmissions.
    pub(super) fn of(self, command: &Command, edrx: Edrx, now: Timestamp) -> (Timestamp, Pace) {
        let Edrx { timeout_s, paging } = edrx;
        let Some(seconds) = timeout_s else {
            let span = self.span_ms(self.max_retransmit, paging).saturating_add(self.grace_ms);
            return (now.plus_ms(span), Pace { max_retransmit: command.max_retransmit, paging });
        };
        let wait = u64::from(seconds) * 1_000;
        let most = command.max_retransmit.unwrap_or(self.max_retransmit).min(self.max_retransmit);
        let fitting = (0..=most).rev().find(|count| self.span_ms(*count, paging) <= wait).unwrap_or(0);
        (now.plus_ms(wait), Pace { max_retransmit: Some(fitting), paging })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Timing;
    use crate::model::{CommandId, DeviceId, ProductId, Work};

    #[test]
    fn an_edrx_timeout_stretches_the_time_or_leaves_out_retransmissions() {
        let patience = Patience { ack_ms: 15_000, max_retransmit: 3, grace_ms: 20_000 };
        let command = Command::new(CommandId(1), (DeviceId(1), ProductId(1)), Work::Raw(vec![1]), Timestamp(0));
        let of = |most, timeout_s| {
            let edrx = Edrx { timeout_s, ..Edrx::default() };
            let (until, pace) = patience.of(&Command { max_retransmit: most, ..command.clone() }, edrx, Timestamp(0));
            (until, pace.max_retransmit)
        };
        assert_eq!(of(None, None), (Timestamp(245_000), None), "225 s, and the transport gives up first");
        assert_eq!(of(Some(1), None), (Timestamp(245_000), Some(1)));
        for (seconds, fitting) in [(600, 3), (225, 3), (224, 2), (50, 1), (20, 0), (1, 0)] {
            assert_eq!(of(None, Some(seconds)), (Timestamp(u64::from(seconds) * 1_000), Some(fitting)), "{seconds} s");
        }
        assert_eq!(of(Some(1), Some(600)).1, Some(1));
    }

    #[test]
    fn the_flows_wait_longer_than_the_transport_also_for_a_paged_device() {
        let patience = Patience { ack_ms: 15_000, max_retransmit: 3, grace_ms: 20_000 };
        let command = Command::new(CommandId(1), (DeviceId(1), ProductId(1)), Work::Raw(vec![1]), Timestamp(0));
        for seconds in [0, 20, 2_600] {
            let paging = Duration::from_secs(seconds);
            let (until, pace) = patience.of(&command, Edrx { timeout_s: None, paging }, Timestamp(0));
            let transport = Timing::NARROWBAND.suited(paging);
            let longest = transport.ack_timeout.mul_f64(transport.random_factor) * 15;
            assert!(u128::from(until.0) > longest.as_millis() && pace.paging == paging, "{seconds}");
        }
    }
}
