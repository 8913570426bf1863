//! The largest of many scores, by selection: nothing is sorted.

/// Marks the `count` largest of these scores; among equal ones the first are marked. What is not a number counts as 0, as does what
/// is negative. O(scores) expected time; the scores are gone through twice.
///
/// ```
/// assert_eq!(er_networks::score::largest([0.5, 2.0, 1.0, 1.0].into_iter(), 2), [false, true, true, false]);
/// ```
///
/// # Panics
/// If there are fewer scores.
pub fn largest(scores: impl Iterator<Item = f64> + Clone, count: usize) -> Vec<bool> {
    let mut cut = Cut::largest(&mut scores.clone().map(key).collect::<Vec<_>>(), count);
    scores.map(|s| cut.takes(key(s))).collect()
}

/// Marks what is strictly above the score that is `count` + 1 largest, which is 0 if there are no more than `count`: at most `count`
/// scores, and never one that counts as 0. As [`largest`] otherwise.
pub fn above_next(scores: impl Iterator<Item = f64> + Clone, count: usize) -> Vec<bool> {
    let mut cut = Cut::above_next(&mut scores.clone().map(key).collect::<Vec<_>>(), count);
    scores.map(|s| cut.takes(key(s))).collect()
}

/// A score as an integer that orders alike: 0 for 0, for what is negative and for what is not a number.
fn key(score: f64) -> u64 {
    // The bits of positive floats order as the floats do.
    if score > 0.0 { score.to_bits() } else { 0 }
}

/// Where a number of largest scores begins. Among equal scores those that are asked about first are taken.
pub(super) struct Cut<K = u64> {
    /// The smallest key taken; none if nothing is.
    threshold: Option<K>,
    /// Keys at the threshold still to be taken.
    ties: usize,
    /// Keys at the threshold that are not taken.
    surplus: usize,
}

impl<K: Copy + Ord> Cut<K> {
    /// Takes the `count` largest of these keys, which lose their order. O(keys) expected time.
    ///
    /// # Panics
    /// If there are fewer keys.
    pub(super) fn largest(keys: &mut [K], count: usize) -> Self {
        assert!(count <= keys.len(), "{count} of {} keys", keys.len());
        let Some(last) = count.checked_sub(1) else { return Self { threshold: None, ties: 0, surplus: 0 } };
        let (larger, threshold, smaller) = keys.select_nth_unstable_by(last, |a, b| b.cmp(a));
        let above = larger.iter().filter(|k| **k > *threshold).count();
        let surplus = smaller.iter().filter(|k| **k == *threshold).count();
        Self { threshold: Some(*threshold), ties: count - above, surplus }
    }

    /// The key from which on everything is taken but for so many of the last keys equal to it; none if nothing is taken. Of
    /// [`Cut::largest`] only.
    pub(super) fn from(&self) -> Option<(K, usize)> {
        self.threshold.map(|threshold| (threshold, self.surplus))
    }

    /// Whether this key is taken; to be asked once for each key, in their order.
    fn takes(&mut self, key: K) -> bool {
        match self.threshold {
            Some(threshold) if key == threshold && self.ties > 0 => {
                self.ties -= 1;
                true
            }
            Some(threshold) => key > threshold,
            None => false,
        }
    }
}

impl Cut {
    /// Takes what is strictly above the key that is `count` + 1 largest; that key counts as 0 if there are no more than `count`,
    /// so that at most `count` are taken and never a key of 0. O(keys) expected time.
    fn above_next(keys: &mut [u64], count: usize) -> Self {
        let next = if count < keys.len() { *keys.select_nth_unstable_by(count, |a, b| b.cmp(a)).1 } else { 0 };
        // The keys above are those from the next integer on, and there is none above the largest.
        let threshold = next.checked_add(1);
        Self { threshold, ties: usize::MAX, surplus: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(mut cut: Cut, keys: &[u64]) -> Vec<usize> {
        (0..keys.len()).filter(|i| cut.takes(keys[*i])).collect()
    }

    proptest! {
        // Few distinct values: ties are the rule.
        #[test]
        fn equals_a_stable_sort(keys in prop::collection::vec(0..6_u64, 0..50), part in 0.0..=1.0_f64) {
            let count = (part * keys.len() as f64) as usize;
            let mut order: Vec<usize> = (0..keys.len()).collect();
            order.sort_by(|a, b| keys[*b].cmp(&keys[*a]));
            let next = order.get(count).map_or(0, |i| keys[*i]);
            let above: Vec<usize> = (0..keys.len()).filter(|i| keys[*i] > next).collect();
            prop_assert_eq!(taken(Cut::above_next(&mut keys.clone(), count), &keys), above);
            order.truncate(count);
            order.sort_unstable();
            prop_assert_eq!(taken(Cut::largest(&mut keys.clone(), count), &keys), order);
        }

        #[test]
        fn keys_order_as_scores(a in 0.0..1e9_f64, b in 0.0..1e-9_f64) {
            prop_assert_eq!(a.partial_cmp(&b), Some(key(a).cmp(&key(b))));
        }
    }

    #[test]
    fn what_is_no_score_is_least() {
        assert_eq!([f64::NAN, -1.0, -0.0, 0.0].map(key), [0; 4]);
        assert!(key(f64::INFINITY) > key(f64::MAX) && key(f64::MIN_POSITIVE) > 0);
    }
}
