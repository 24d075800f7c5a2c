//! What is counted of requests: how many, how they ended, how long they took; it must not know who counts.

use serde::{Deserialize, Serialize};

/// Bounds of a latency double every so many buckets: a percentile is told too high by a fifth at most.
const PER_OCTAVE: usize = 4;
/// The upper bound of the first bucket, in microseconds.
const FIRST_MICROS: f64 = 125.0;
/// Up to 69 minutes; what takes longer is counted there as well.
pub const BUCKETS: usize = 25 * PER_OCTAVE + 1;

/// Into which bucket of a histogram a latency falls.
#[must_use]
pub fn bucket(micros: u64) -> usize {
    let octaves = (micros as f64 / FIRST_MICROS).max(1.0).log2();
    ((octaves * PER_OCTAVE as f64).ceil() as usize).min(BUCKETS - 1)
}

/// The latency that a bucket stands for, in milliseconds: its upper bound.
fn millis(bucket: usize) -> f64 {
    FIRST_MICROS / 1000.0 * (bucket as f64 / PER_OCTAVE as f64).exp2()
}

/// Requests to one deployment over some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// All of them.
    pub requests: u64,
    /// Those that ended with a status from 400 to 499.
    pub client_errors: u64,
    /// Those that ended with a status from 500 on.
    pub server_errors: u64,
    /// How many fell into each bucket; shorter when the last ones are empty.
    pub latency: Vec<u64>,
}

impl Traffic {
    /// Adds what others have counted.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.latency.resize(self.latency.len().max(other.latency.len()), 0);
        self.latency.iter_mut().zip(&other.latency).for_each(|(sum, more)| *sum += more);
    }

    /// The time until the answer began that this part of all requests did not exceed, in milliseconds; `None` without any.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Option<f64> {
        let all: u64 = self.latency.iter().sum();
        let wanted = (all as f64 * part).ceil().max(1.0);
        let mut seen = 0;
        let reached = self.latency.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        reached.map(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_off_by_a_fifth_at_most_and_never_too_low() {
        let mut traffic = Traffic { latency: vec![0; BUCKETS], ..Traffic::default() };
        let samples: Vec<u64> = (1..=1_000).map(|number| number * 997).collect();
        for micros in &samples {
            traffic.latency[bucket(*micros)] += 1;
        }
        for (part, at) in [(0.5, 499), (0.9, 899), (0.99, 989)] {
            let exact = samples[at] as f64 / 1000.0;
            let told = traffic.percentile(part).unwrap_or_default();
            assert!((exact..=exact * 1.2).contains(&told), "{part}: {told} for {exact}");
        }
        assert_eq!(Traffic::default().percentile(0.5), None);
    }

    #[test]
    fn every_latency_has_a_bucket() {
        assert_eq!((bucket(0), bucket(125), bucket(126)), (0, 0, 1));
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
