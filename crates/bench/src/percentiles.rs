use std::fmt;

use serde::Serialize;

/// Times at the usual percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    /// Of times in microseconds: the smallest that so many of them do not exceed. All 0 without any.
    pub(crate) fn of(mut micros: Vec<u32>) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let rank = (micros.len() as f64 * share).ceil() as usize;
            let time = micros.get(rank.saturating_sub(1)).copied();
            f64::from(time.unwrap_or(0)) / 1000.0
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            p50,
            p99,
            p999,
            max,
        } = self;
        write!(
            f,
            "p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, at most {max:.1} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_time_that_so_many_do_not_exceed() {
        let of = Percentiles::of((1..=1000).rev().map(|n| n * 1000).collect());
        let expected = Percentiles {
            p50: 500.0,
            p99: 990.0,
            p999: 999.0,
            max: 1000.0,
        };
        assert_eq!(of, expected);
    }

    #[test]
    fn few_times_have_percentiles_too() {
        let of = Percentiles::of(vec![3000, 1000]);
        assert_eq!((of.p50, of.p99, of.max), (1.0, 3.0, 3.0));
        assert_eq!(Percentiles::of(Vec::new()).max, 0.0);
    }
}
