//! Numbers by which a device's response finds its command (REFERENCE J.3).

/// The next mid of a device: from 1 upward, wraps to 1, skips those in flight. None when all are taken.
#[must_use]
pub fn next_mid(last: u16, in_flight: &[u16]) -> Option<u16> {
    let mut mid = last;
    for _ in 0..u16::MAX {
        mid = if mid == u16::MAX { 1 } else { mid + 1 };
        if !in_flight.contains(&mid) {
            return Some(mid);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_wraps_from_65_535_to_1() {
        assert_eq!((next_mid(65_534, &[]), next_mid(65_535, &[]), next_mid(65_535, &[1, 2])), (Some(65_535), Some(1), Some(3)));
        let all: Vec<u16> = (1..=u16::MAX).collect();
        assert_eq!(next_mid(7, &all), None);
    }

    proptest! {
        #[test]
        fn a_mid_is_never_zero_and_never_in_flight(last: u16, busy in proptest::collection::vec(1_u16.., 0..50)) {
            let mid = next_mid(last, &busy).unwrap();
            prop_assert!(mid != 0 && !busy.contains(&mid));
        }
    }
}
