//! Flow preservation: no unit of a layer may be cut off.

use super::cover::smallest_cover;
use er_graphs::graph::{LayerShape, Mask};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::fmt;
use std::iter::Sum;
use std::ops::Range;

/// What flow preservation did to a mask. Its `Display` says it in a few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repair {
    /// Edges added.
    pub added: usize,
    /// Edges removed to keep the density.
    pub removed: usize,
    /// Edges that should have been removed as well, but without which a unit would be cut off.
    pub short: usize,
}

impl Sum for Repair {
    fn sum<I: Iterator<Item = Self>>(repairs: I) -> Self {
        let add = |a: Self, b: Self| Self { added: a.added + b.added, removed: a.removed + b.removed, short: a.short + b.short };
        repairs.fold(Self::default(), add)
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, removed, short } = self;
        write!(f, "flow preservation added {added} edges and removed {removed}")?;
        if *short > 0 { write!(f, ": it needs {short} more than the density allows") } else { Ok(()) }
    }
}

/// Gives every output unit an incoming and every input unit an outgoing edge ("How Erdős and Rényi Win the Lottery"):
///
/// 1. every output unit without an edge gets one at a random position among its inputs and kernel positions;
/// 2. every input unit that *now* has no edge gets one at a random position among its outputs and kernel positions.
///
/// Looks at this layer alone: an input that only a skip connection feeds gets its edge too. In a grouped convolution an input
/// unit is a channel of one group, and its outputs are those of the group.
///
/// With `keep_density`, as many edges as were added are then removed at random among those whose two ends both keep another
/// edge. If there are too few of them, the mask's edges are exchanged for a smallest set that gives every unit one, drawn at random,
/// and as many random ones of the others as the mask had before. So the number of edges changes only if it is smaller than the units of the
/// larger side, summed over groups; then that many are left, which is the least possible.
///
/// O(edges + units) time, O(edges · √units) for an exchange.
///
/// # Panics
/// If the groups do not divide the outputs.
pub fn preserve(mask: &mut Mask, groups: usize, keep_density: bool, rng: &mut impl Rng) -> Repair {
    let shape = mask.shape();
    assert!(groups > 0 && shape.out.is_multiple_of(groups), "{groups} groups in a layer of shape {shape}");
    let original = keep_density.then(|| mask.clone());
    let before = mask.edges();
    for (output, degree) in mask.in_degrees().into_iter().enumerate() {
        if degree == 0 {
            mask.insert(output * shape.fan_in() + rng.random_range(0..shape.fan_in()));
        }
    }
    let ends = Ends::of(mask, groups);
    for (input, degree) in ends.out_degrees(mask).into_iter().enumerate() {
        if degree == 0 {
            let slot = rng.random_range(0..ends.outputs_per_group * shape.taps());
            let output = input / shape.inp * ends.outputs_per_group + slot / shape.taps();
            mask.insert(output * shape.fan_in() + input % shape.inp * shape.taps() + slot % shape.taps());
        }
    }
    let added = mask.edges() - before;
    let Some(original) = original else { return Repair { added, ..Repair::default() } };
    let removed = remove_spare(mask, &ends, added, rng);
    if removed == added {
        return Repair { added, removed, short: 0 };
    }
    *mask = exchanged(&original, &ends, rng);
    let kept = original.shared_edges(mask);
    Repair { added: mask.edges() - kept, removed: before - kept, short: mask.edges() - before }
}

/// A mask with as many edges as the original, all units among their ends, or with as few more as that takes.
fn exchanged(original: &Mask, ends: &Ends, rng: &mut impl Rng) -> Mask {
    let mut mask = smallest_cover(original, ends, original.edges(), rng);
    let mut others: Vec<usize> = original.iter().filter(|p| !mask.contains(*p)).collect();
    others.shuffle(rng);
    for position in others.into_iter().take(original.edges().saturating_sub(mask.edges())) {
        mask.insert(position);
    }
    mask
}

/// Where the units of a layer are.
pub(super) struct Ends {
    shape: LayerShape,
    outputs_per_group: usize,
    inputs: usize,
}

impl Ends {
    pub(super) fn of(mask: &Mask, groups: usize) -> Self {
        let shape = mask.shape();
        Self { shape, outputs_per_group: shape.out / groups, inputs: groups * shape.inp }
    }

    /// Output and input unit of a position; inputs are counted over all groups.
    pub(super) fn of_position(&self, position: usize) -> (usize, usize) {
        let (output, column) = (position / self.shape.fan_in(), position % self.shape.fan_in());
        (output, output / self.outputs_per_group * self.shape.inp + column / self.shape.taps())
    }

    /// A random position between two units of one group.
    pub(super) fn position(&self, output: usize, input: usize, rng: &mut impl Rng) -> usize {
        let taps = self.shape.taps();
        output * self.shape.fan_in() + input % self.shape.inp * taps + rng.random_range(0..taps)
    }

    /// Number of input units of all groups.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn groups(&self) -> usize {
        self.shape.out / self.outputs_per_group
    }

    /// Output and input units of a group.
    pub(super) fn of_group(&self, group: usize) -> (Range<usize>, Range<usize>) {
        let of = |units: usize| group * units..(group + 1) * units;
        (of(self.outputs_per_group), of(self.shape.inp))
    }

    pub(super) fn out_degrees(&self, mask: &Mask) -> Vec<usize> {
        let mut degrees = vec![0; self.inputs];
        for p in mask.iter() {
            degrees[self.of_position(p).1] += 1;
        }
        degrees
    }
}

/// Removes up to `count` random edges whose two ends keep another one; returns how many.
fn remove_spare(mask: &mut Mask, ends: &Ends, count: usize, rng: &mut impl Rng) -> usize {
    let (mut into, mut out_of) = (mask.in_degrees(), ends.out_degrees(mask));
    let mut edges: Vec<usize> = mask.iter().collect();
    let mut removed = 0;
    // An edge that may not go now never may later, because degrees only fall: one pass in random order is the same as drawing
    // anew among the removable edges each time.
    let n = edges.len();
    for k in 0..n {
        if removed == count {
            break;
        }
        edges.swap(k, rng.random_range(k..n));
        let (output, input) = ends.of_position(edges[k]);
        if into[output] > 1 && out_of[input] > 1 {
            mask.remove(edges[k]);
            into[output] -= 1;
            out_of[input] -= 1;
            removed += 1;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::graph::{Sampling, sample};
    use er_graphs::rng::{Purpose, stream};
    use proptest::prelude::*;

    fn isolated(mask: &Mask, groups: usize) -> (usize, usize) {
        let zeros = |degrees: Vec<usize>| degrees.into_iter().filter(|d| *d == 0).count();
        (zeros(mask.in_degrees()), zeros(Ends::of(mask, groups).out_degrees(mask)))
    }

    /// Layers from tiny to small, plain or grouped: outputs and inputs per group, kernel side, groups.
    fn layer() -> impl Strategy<Value = (LayerShape, usize)> {
        (1..10_usize, 1..10_usize, 1..4_usize, 1..4_usize)
            .prop_map(|(out, inp, k, groups)| (LayerShape::conv(out * groups, inp, [k, k]), groups))
    }

    proptest! {
        #[test]
        fn every_unit_gets_an_edge_and_none_is_added_in_vain(
            (shape, groups) in layer(), density in prop_oneof![Just(0.0), 0.0..0.3_f64, 0.3..1.0_f64], seed: u64,
        ) {
            let original = sample(shape, density, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, 0));
            let mut mask = original.clone();
            let repair = preserve(&mut mask, groups, false, &mut stream(seed, Purpose::Growth, 0));
            prop_assert_eq!(isolated(&mask, groups), (0, 0));
            prop_assert!(original.iter().all(|p| mask.contains(p)), "nothing is removed");
            prop_assert_eq!(mask.edges(), original.edges() + repair.added);
            prop_assert_eq!(repair.removed, 0);
            // One edge for each isolated output; these may reach some of the isolated inputs, the others get one each.
            let (outputs, inputs) = isolated(&original, groups);
            prop_assert!(repair.added >= outputs.max(inputs) && repair.added <= outputs + inputs);
            let again = preserve(&mut mask, groups, false, &mut stream(seed, Purpose::Growth, 1));
            prop_assert_eq!(again.added, 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn density_is_kept_wherever_a_mask_of_it_exists(
            (shape, groups) in layer(), density in 0.0..0.5_f64, seed: u64,
        ) {
            let mut mask = sample(shape, density, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, 0));
            let before = mask.edges();
            let repair = preserve(&mut mask, groups, true, &mut stream(seed, Purpose::Growth, 0));
            prop_assert_eq!(isolated(&mask, groups), (0, 0));
            prop_assert_eq!(mask.edges() + repair.removed, before + repair.added);
            // No graph gives every unit an edge with fewer than the larger side of each group has units.
            let least = groups * (shape.out / groups).max(shape.inp);
            prop_assert_eq!(mask.edges(), before.max(least));
            prop_assert_eq!(repair.short, least.saturating_sub(before));
        }
    }

    /// Where removing edges one by one was enough, the masks are what it gives.
    #[test]
    fn masks_are_exchanged_only_where_single_edges_do_not_suffice() {
        let (shape, mut exchanges) = (LayerShape::linear(12, 12), 0);
        for seed in 0..3000 {
            let original = sample(shape, 0.1, Sampling::Exact, &mut stream(seed, Purpose::Mask, 0));
            let (mut plain, mut mask) = (original.clone(), original.clone());
            let rng = &mut stream(seed, Purpose::Growth, 0);
            let added = preserve(&mut plain, 1, false, rng).added;
            let removed = remove_spare(&mut plain, &Ends::of(&original, 1), added, rng);
            let repair = preserve(&mut mask, 1, true, &mut stream(seed, Purpose::Growth, 0));
            if removed == added {
                assert_eq!((plain, repair), (mask, Repair { added, removed, short: 0 }));
            } else {
                exchanges += 1;
                assert_eq!((mask.edges(), repair.added, repair.short), (original.edges(), repair.removed, 0));
            }
        }
        assert!((500..2900).contains(&exchanges), "{exchanges}");
    }

    /// Two stars that share no leaf: their edges cannot be spared, and the units that have none cost nothing only if they are joined
    /// to leaves. What is left to chance is drawn evenly.
    #[test]
    fn stars_are_taken_apart() {
        let shape = LayerShape::linear(4, 4);
        // Output 0 reads inputs 0 to 2, outputs 1 and 2 read input 3 as well; output 3 is isolated.
        let start = Mask::from_positions(shape, [0, 1, 2, 7, 11]);
        let (draws, mut hits) = (6000, [0.0; 16]);
        for k in 0..draws {
            let mut mask = start.clone();
            let repair = preserve(&mut mask, 1, true, &mut stream(1, Purpose::Growth, k));
            assert_eq!((mask.edges(), isolated(&mask, 1), repair.short), (5, (0, 0), 0));
            mask.iter().for_each(|p| hits[p] += 1.0 / draws as f64);
        }
        let even = |places: [usize; 2]| assert!((hits[places[0]] - hits[places[1]]).abs() < 0.04, "{places:?}: {hits:?}");
        [[0, 1], [1, 2], [7, 11], [12, 13], [13, 14]].into_iter().for_each(even);
    }

    #[test]
    fn a_shortage_is_said() {
        let mut mask = Mask::from_positions(LayerShape::linear(3, 5), [0, 1]);
        let repair = preserve(&mut mask, 1, true, &mut stream(1, Purpose::Growth, 0));
        assert_eq!((mask.edges(), repair.short), (5, 3));
        assert!(repair.to_string().ends_with(": it needs 3 more than the density allows"), "{repair}");
        let plain = Repair { added: 4, removed: 1, short: 0 };
        assert_eq!([repair, plain].into_iter().sum::<Repair>().short, 3);
        assert_eq!(plain.to_string(), "flow preservation added 4 edges and removed 1");
    }

    #[test]
    fn every_position_of_a_repair_is_equally_likely() {
        let shape = LayerShape::conv(4, 3, [2, 2]);
        // Output 0 is isolated, and so is input 2.
        let start = Mask::from_positions(shape, [12, 16, 24, 36]);
        let (draws, mut hits) = (6000, [0.0; 48]);
        for k in 0..draws {
            let mut mask = start.clone();
            preserve(&mut mask, 1, false, &mut stream(1, Purpose::Growth, k));
            for p in mask.iter().filter(|p| !start.contains(*p)) {
                hits[p] += 1.0 / draws as f64;
            }
        }
        for (p, hit) in hits.into_iter().enumerate() {
            let (output, input) = (p / 12, p % 12 / 4);
            // Output 0 draws one of 12 positions; with probability 2/3 that leaves input 2 to draw one of 16.
            let expected = if output == 0 { 1.0 / 12.0 } else { 0.0 } + if input == 2 { 2.0 / 3.0 / 16.0 } else { 0.0 };
            assert!((hit - expected).abs() <= 5.0 * (expected / draws as f64).sqrt(), "position {p}: {hit} of {expected}");
        }
    }

    #[test]
    fn spare_edges_are_equally_likely_to_go() {
        // Input 3 is isolated and every other edge can be spared: after the repair any of 3·3 + 1 − 1 edges may go.
        let shape = LayerShape::linear(3, 4);
        let start = Mask::from_positions(shape, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
        let (draws, mut gone) = (3600, [0.0; 12]);
        for k in 0..draws {
            let mut mask = start.clone();
            assert_eq!(
                preserve(&mut mask, 1, true, &mut stream(1, Purpose::Growth, k)),
                Repair { added: 1, removed: 1, short: 0 }
            );
            for p in start.iter().filter(|p| !mask.contains(*p)) {
                gone[p] += 1.0;
            }
        }
        for p in start.iter() {
            let expected = draws as f64 / 9.0;
            assert!((gone[p] - expected).abs() <= 5.0 * expected.sqrt(), "edge {p} went {} times", gone[p]);
        }
    }
}
