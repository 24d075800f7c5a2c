//! How long a program is left alone before it is started again. It must not know why it ended.

use std::time::Duration;

use crate::sys::random;

/// The second time in a row; the first time there is no pause. Each one after that is twice as long.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// One that has run well for so long begins anew.
pub(super) const STEADY: Duration = Duration::from_secs(60);

/// The pause before a start, after `starts` of them in a row that came to nothing.
pub(super) fn pause(starts: u32) -> Duration {
    let [byte] = random::bytes::<1>();
    drawn(starts, byte)
}

/// A tenth less or more, so that programs which ended together do not all start together.
fn drawn(starts: u32, luck: u8) -> Duration {
    let Some(doublings) = starts.checked_sub(1) else { return Duration::ZERO };
    let plain = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST);
    plain.mul_f64(0.9 + 0.2 * f64::from(luck) / f64::from(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_quite_the_same() {
        assert_eq!(drawn(0, 255), Duration::ZERO, "at once");
        for (starts, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (40, 300.0), (u32::MAX, 300.0)]
        {
            let (least, most) = (drawn(starts, 0).as_secs_f64(), drawn(starts, 255).as_secs_f64());
            assert!((least - seconds * 0.9).abs() < 1e-6 && (most - seconds * 1.1).abs() < 1e-6, "{starts}");
        }
    }
}
