//! Which servers to believe: those that a majority agrees with. Pure arithmetic.
//!
//! Each server says where the true time lies, as an interval around our clock. If a majority of them is right, the true
//! time is at a point that a majority of the intervals holds (Marzullo; RFC 5905 §11.2.1 does the same). All such
//! points together are the interval believed: the hull, and not its best part, so that a liar who overlaps with honest
//! servers at one end cannot draw the interval there.

/// Where the true time lies: nanoseconds to add to our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Interval {
    pub(super) fn around(offset_nanoseconds: i64, bound_nanoseconds: u64) -> Self {
        Self {
            low: offset_nanoseconds.saturating_sub_unsigned(bound_nanoseconds),
            high: offset_nanoseconds.saturating_add_unsigned(bound_nanoseconds),
        }
    }

    pub(super) fn middle(self) -> i64 {
        self.low.midpoint(self.high)
    }

    /// From the middle to the farther end.
    pub(super) fn half_width(self) -> u64 {
        let middle = self.middle();
        middle.abs_diff(self.low).max(middle.abs_diff(self.high))
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }

    fn holds(self, point: i64) -> bool {
        (self.low..=self.high).contains(&point)
    }
}

/// How many must agree: as many as configured, and more than half of those that answered.
pub(super) fn required(minimum: usize, answered: usize) -> usize {
    minimum.max(answered / 2 + 1)
}

/// The hull of all points that at least `required` of the intervals hold; `None` if there is no such point.
pub(super) fn majority(intervals: &[Interval], required: usize) -> Option<Interval> {
    let held = |point: &i64| intervals.iter().filter(|interval| interval.holds(*point)).count() >= required;
    let low = intervals.iter().map(|interval| interval.low).filter(held).min()?;
    let high = intervals.iter().map(|interval| interval.high).filter(held).max()?;
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> Interval {
        Interval::around(offset, 10)
    }

    fn chosen(intervals: &[Interval], minimum: usize) -> Option<(i64, i64)> {
        majority(intervals, required(minimum, intervals.len())).map(|hull| (hull.low, hull.high))
    }

    #[test]
    fn one_of_three_lies_and_is_outvoted() {
        assert_eq!(chosen(&[at(0), at(5), at(1_000)], 2), Some((-5, 10)));
    }

    #[test]
    fn two_of_three_who_lie_alike_win_and_two_who_lie_differently_leave_nobody() {
        assert_eq!(chosen(&[at(0), at(1_000), at(1_000)], 2), Some((990, 1_010)));
        assert_eq!(chosen(&[at(0), at(1_000), at(-1_000)], 2), None);
    }

    #[test]
    fn two_against_two_is_no_majority() {
        assert_eq!(chosen(&[at(0), at(0), at(1_000), at(1_000)], 2), None);
        assert_eq!(chosen(&[at(0), at(0), at(0), at(1_000)], 3), Some((-10, 10)));
    }

    #[test]
    fn fewer_answers_than_the_minimum_are_no_majority() {
        assert_eq!(chosen(&[at(0)], 2), None);
        assert_eq!(chosen(&[at(0)], 1), Some((-10, 10)));
        assert_eq!(chosen(&[], 1), None);
    }

    #[test]
    fn a_liar_who_overlaps_at_one_end_does_not_draw_the_interval_there() {
        let honest = [Interval::around(0, 100), Interval::around(10, 100), Interval::around(-10, 100)];
        let with_liar = [honest.as_slice(), &[Interval::around(150, 80)]].concat();
        let hull = majority(&with_liar, required(3, 4)).expect("a majority");
        assert!(hull.holds(0) && hull.holds(-90), "{hull:?}");
    }

    #[test]
    fn touching_ends_count_as_agreement() {
        assert_eq!(chosen(&[at(0), at(20)], 2), Some((10, 10)));
        assert_eq!(chosen(&[at(0), at(21)], 2), None);
    }

    #[test]
    fn the_ends_of_numbers_do_not_overflow() {
        let widest = Interval::around(i64::MAX, u64::MAX);
        assert_eq!(chosen(&[widest, at(0)], 2), Some((-10, 10)));
        assert!(widest.half_width() > 0);
    }

    proptest! {
        /// What the vote is for: whatever a minority says, the truth is within.
        #[test]
        fn invariant_the_truth_is_within_if_a_majority_is_right(
            right in proptest::collection::vec((-100_i64..100, 0_u64..100), 3..6),
            wrong in proptest::collection::vec((-10_000_i64..10_000, 0_u64..5_000), 0..3),
            truth in -1_000_i64..1_000,
        ) {
            prop_assume!(wrong.len() < right.len());
            let mut intervals: Vec<_> = right
                .iter()
                .map(|(error, slack)| Interval::around(truth + error, error.unsigned_abs() + slack))
                .collect();
            intervals.extend(wrong.iter().map(|(offset, bound)| Interval::around(*offset, *bound)));
            let hull = majority(&intervals, required(1, intervals.len()));
            prop_assert!(hull.is_some_and(|hull| hull.holds(truth)), "{hull:?}");
        }
    }
}
