//! Chance that is the same in every run.

/// Splitmix64: short, and good enough to draw worlds with.
pub(in crate::authz) struct Dice(u64);

impl Dice {
    pub(in crate::authz) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::authz) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below this one.
    pub(in crate::authz) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    /// Whether something happens that does so in so many of a hundred cases.
    pub(in crate::authz) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(in crate::authz) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// A key that no other row has.
    pub(in crate::authz) fn key(&mut self) -> u128 {
        // The shape of an id of the program: a time first, so that ids sort.
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, &bits.to_be_bytes()[..10].try_into().unwrap())
            .into_uuid()
            .as_u128()
    }
}
