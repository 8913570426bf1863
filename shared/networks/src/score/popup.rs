//! Edge-popup: a subnetwork of frozen values, chosen by trained scores (Ramanujan et al. 2020).

use super::select::Cut;
use er_graphs::graph::Real;

/// Of n scores, about n to this power are the sample that tells in which band the last one kept lies (Floyd and Rivest 1975). A
/// larger sample costs more, and makes the band narrower.
const SAMPLE_EXPONENT: f64 = 0.7;

/// Half the width of the band in standard deviations of the sample's rank; one in 2000 bands misses.
const DEVIATIONS: f64 = 3.5;

/// With fewer scores than this a sample is not worth its while.
const SMALL: usize = 4096;

/// Scores that are compared at once; in most blocks none is in the band.
const BLOCK: usize = 16;

/// How many positions of a layer a subnetwork has: min(int(`k`·`positions`), `allowed`), `positions` counting weights and biases.
///
/// ```
/// assert_eq!([0.2, 0.9].map(|k| er_networks::score::kept(k, 10, 7)), [2, 7]);
/// ```
#[must_use]
pub fn kept(k: f64, positions: usize, allowed: usize) -> usize {
    ((k * positions as f64) as usize).min(allowed)
}

/// Chooses the subnetwork of a layer, again and again with the same memory.
///
/// ```
/// let (mut selector, mut marks) = (er_networks::score::Selector::default(), Vec::new());
/// selector.select(&[0.5, -2.0, 1.0, -1.0_f32], 2, &mut marks);
/// assert_eq!(marks, [false, true, true, false]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Selector<T: Real> {
    /// Magnitudes among which the last one kept is found.
    candidates: Vec<T::Magnitude>,
}

impl<T: Real> Selector<T> {
    /// Marks the `keep` largest |score|; among equal ones the first are marked, and what is not a number counts as 0. The scores are
    /// those of the allowed positions, in any order.
    ///
    /// O(scores) expected time: a sample tells a narrow band in which the last score kept lies, one pass counts the scores above it
    /// and copies those in it, among which that score is then found exactly, and one pass marks. If the band misses, which the
    /// count tells, all scores take its place. Nothing is allocated once the vectors have grown.
    ///
    /// # Panics
    /// If there are fewer scores.
    pub fn select(&mut self, scores: &[T], keep: usize, marks: &mut Vec<bool>) {
        assert!(keep <= scores.len(), "{keep} of {} scores", scores.len());
        let cut = self.cut(scores, keep);
        marks.resize(scores.len(), false);
        let Some((threshold, surplus)) = cut.from() else { return marks.fill(false) };
        for (mark, score) in marks.iter_mut().zip(scores) {
            *mark = score.magnitude() >= threshold;
        }
        unmark_last(scores, threshold, surplus, marks);
    }

    /// Where the scores kept begin.
    fn cut(&mut self, scores: &[T], keep: usize) -> Cut<T::Magnitude> {
        if scores.len() >= SMALL && keep > 0 {
            let [low, high] = self.band(scores, keep);
            let above = self.collect(scores, low, high);
            if above < keep && keep <= above + self.candidates.len() {
                return Cut::largest(&mut self.candidates, keep - above);
            }
        }
        self.candidates.clear();
        self.candidates.extend(scores.iter().map(|s| s.magnitude()));
        Cut::largest(&mut self.candidates, keep)
    }

    /// Two magnitudes between which the `keep`-th largest lies, unless the sample is a strange one.
    fn band(&mut self, scores: &[T], keep: usize) -> [T::Magnitude; 2] {
        let step = scores.len() / (scores.len() as f64).powf(SAMPLE_EXPONENT) as usize;
        self.candidates.clear();
        self.candidates.extend(scores.iter().step_by(step).map(|s| s.magnitude()));
        let sample = &mut self.candidates[..];
        let (part, last) = (keep as f64 / scores.len() as f64, sample.len() - 1);
        let rank = part * sample.len() as f64;
        let margin = 1.0 + DEVIATIONS * (rank * (1.0 - part)).sqrt();
        [rank + margin, rank - margin].map(|rank| {
            let rank = (rank.max(0.0) as usize).min(last);
            *sample.select_nth_unstable_by(rank, |a, b| b.cmp(a)).1
        })
    }

    /// Leaves the magnitudes from `low` to `high` as candidates and counts those above.
    fn collect(&mut self, scores: &[T], low: T::Magnitude, high: T::Magnitude) -> usize {
        self.candidates.clear();
        let mut above = 0;
        for block in scores.chunks(BLOCK) {
            // Without branches, so that the compiler compares several scores at once.
            let (mut higher, mut not_lower) = (0_u32, 0_u32);
            for score in block {
                higher += u32::from(score.magnitude() > high);
                not_lower += u32::from(score.magnitude() >= low);
            }
            above += higher as usize;
            if not_lower > higher {
                self.candidates.extend(block.iter().map(|s| s.magnitude()).filter(|m| (low..=high).contains(m)));
            }
        }
        above
    }
}

/// Takes the marks off the last `count` scores of this magnitude. O(scores), but ends with the last of them.
fn unmark_last<T: Real>(scores: &[T], magnitude: T::Magnitude, mut count: usize, marks: &mut [bool]) {
    for (marks, scores) in marks.rchunks_mut(BLOCK).zip(scores.rchunks(BLOCK)) {
        if count == 0 {
            return;
        }
        // Without branches, as above.
        let equal: u32 = scores.iter().map(|s| u32::from(s.magnitude() == magnitude)).sum();
        if equal > 0 {
            let equals = marks.iter_mut().zip(scores).rev().filter(|(_, s)| s.magnitude() == magnitude);
            equals.take(count).for_each(|(mark, _)| *mark = false);
            count = count.saturating_sub(equal as usize);
        }
    }
}

/// The gradient of scores in place of that of the effective values (value where the position is selected, else 0):
/// sign(score)·value·gradient, sign(0) being 0, as if the selection were the magnitude of the score. Positions that are not selected
/// have a gradient, too.
///
/// ```
/// let mut gradients = [1.0, 2.0, 3.0];
/// er_networks::score::straight_through(&[-0.1, 0.0, 0.2], &[10.0, 10.0, -10.0], &mut gradients);
/// assert_eq!(gradients, [-10.0, 0.0, -30.0]);
/// ```
///
/// # Panics
/// If the numbers of scores, values and gradients differ.
pub fn straight_through<T: Real>(scores: &[T], values: &[T], gradients: &mut [T]) {
    assert_eq!([scores.len(), values.len()], [gradients.len(); 2], "one score and value a gradient");
    for ((score, value), gradient) in scores.iter().zip(values).zip(gradients) {
        // In double precision the product of two numbers of single precision is exact.
        let (score, slope): (f64, f64) = ((*score).into(), (*value).into() * (*gradient).into());
        let signed = if score < 0.0 { -slope } else { slope };
        *gradient = T::nearest(if score == 0.0 || score.is_nan() { 0.0 } else { signed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand::RngExt;

    /// By a stable sort.
    fn expected<T: Real>(scores: &[T], keep: usize) -> Vec<bool> {
        let size = |i: usize| Some(scores[i].into().abs()).filter(|s| !s.is_nan()).unwrap_or(0.0);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
        let mut marks = vec![false; scores.len()];
        order[..keep].iter().for_each(|i| marks[*i] = true);
        marks
    }

    fn check<T: Real>(scores: &[T], keep: usize) {
        // What an earlier, longer layer left must not matter.
        let mut selector = Selector { candidates: vec![T::default().magnitude(); 7] };
        let mut marks = vec![true; 20_000];
        selector.select(scores, keep, &mut marks);
        assert!(marks == expected(scores, keep), "{keep} of {}", scores.len());
    }

    fn both(scores: &[f64], keep: usize) {
        check(scores, keep);
        check(&scores.iter().map(|s| *s as f32).collect::<Vec<_>>(), keep);
    }

    /// Scores with ties, zeros of both signs, infinities and what is not a number.
    fn score() -> impl Strategy<Value = f64> {
        let special = prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5, -0.5]);
        prop_oneof![4 => -1.0..1.0_f64, 2 => (-3..4_i8).prop_map(f64::from), 1 => special]
    }

    proptest! {
        #[test]
        fn equals_a_stable_sort(scores in prop::collection::vec(score(), 0..60), part in 0.0..=1.0_f64) {
            both(&scores, (part * scores.len() as f64) as usize);
        }

        #[test]
        fn equals_a_stable_sort_where_a_sample_is_taken(
            few in prop::collection::vec(score(), 1..40),
            n in SMALL..3 * SMALL,
            spread in 0..3_u8,
            part in prop_oneof![3 => 0.0..=1.0_f64, 1 => prop::sample::select(vec![0.0, 1.0])],
            seed in 0..1000_u64,
        ) {
            let mut rng = stream(seed, Purpose::Score, 0);
            let scores: Vec<f64> = (0..n).map(|i| match spread {
                // A few values again and again.
                0 => few[rng.random_range(0..few.len())],
                // The sample of every so many scores is unlike the rest.
                1 => few[i % few.len()] * if i % 16 == 0 { 1e3 } else { rng.random() },
                _ => rng.random::<f64>() - 0.5,
            }).collect();
            both(&scores, (part * n as f64) as usize);
        }
    }

    #[test]
    fn constant_scores_keep_the_first() {
        let mut marks = Vec::new();
        for n in [0, 1, 100, 2 * SMALL] {
            for keep in [0, n / 3, n] {
                Selector::default().select(&vec![0.5_f32; n], keep, &mut marks);
                assert_eq!(marks, (0..n).map(|i| i < keep).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn gradients_have_the_sign_of_the_score() {
        let scores = [1.0, -1.0, 0.0, -0.0, f64::NAN];
        let mut gradients = [3.0, 3.0, f64::INFINITY, 3.0, 3.0];
        straight_through(&scores, &[-2.0; 5], &mut gradients);
        assert_eq!(gradients.map(f64::to_bits), [-6.0, 6.0, 0.0, 0.0, 0.0_f64].map(f64::to_bits));
    }

    #[test]
    fn numbers_of_positions_are_truncated() {
        for (k, positions, allowed, expected) in
            [(0.3, 10, 9, 3), (0.29, 100, 99, 28), (0.5, 3, 9, 1), (1.0, 5, 5, 5), (0.0, 5, 5, 0)]
        {
            assert_eq!(kept(k, positions, allowed), expected, "{k}");
        }
    }
}
