//! The recursion behind path counts: sums along edges, from the image to the logits or back.

use super::layout::{self, Layout};
use super::net::{Net, Pair, Stage, Step};
use super::number::{Number, Scaled};
use er_graphs::graph::Mask;
use rayon::prelude::*;

/// What arrives at each node if every unit of the image starts with 1 and `stage` does the sums of a stage. Only the values of the
/// logits, or with `keep` of all nodes at which something happens.
pub(super) fn forward<T: Number>(
    net: &Net,
    image: usize,
    keep: bool,
    stage: impl Fn(&Stage, &[T]) -> Vec<T>,
) -> Vec<Option<Scaled<T>>> {
    let mut readers = net.readers();
    readers[net.logits()] += 1;
    let mut all: Vec<Option<Scaled<T>>> = Vec::with_capacity(net.steps.len());
    for step in &net.steps {
        let read = match step {
            Step::Image | Step::Same(_) => &[][..],
            Step::Stage(stage) => &[stage.input],
            Step::Sum(summands) => summands,
        };
        let counts = match step {
            Step::Image => Some(Scaled::new(vec![T::ONE; image], 0)),
            Step::Stage(s) => all[s.input].as_ref().map(|x| Scaled::new(stage(s, &x.values), x.exponent)),
            Step::Sum([a, b]) => all[*a].clone().zip(all[*b].as_ref()).map(|(mut a, b)| {
                a.add(b);
                a
            }),
            Step::Same(_) => None,
        };
        all.push(counts);
        for &node in read {
            readers[node] -= 1;
            if readers[node] == 0 && !keep {
                all[node] = None;
            }
        }
    }
    all
}

/// What arrives at each node if every unit of the logits starts with 1 and goes back along the edges of masks; zeros at nodes at which
/// nothing happens.
pub(super) fn backward(net: &Net, masks: &[Mask]) -> Vec<Scaled<f64>> {
    let mut all: Vec<Scaled<f64>> = net.units.iter().zip(&net.planes).map(|(u, p)| Scaled::zeros(u * p)).collect();
    let logits = &mut all[net.logits()];
    *logits = Scaled::new(vec![1.0; logits.values.len()], 0);
    for (id, step) in net.steps.iter().enumerate().rev() {
        let (earlier, rest) = all.split_at_mut(id);
        match step {
            Step::Stage(stage) => {
                let (x, y) = (&mut earlier[stage.input], &rest[0]);
                x.add(&Scaled::new(to_inputs(stage, stage.mask(masks), &y.values, x.values.len()), y.exponent));
            }
            Step::Sum(summands) => summands.iter().for_each(|s| earlier[*s].add(&rest[0])),
            Step::Image | Step::Same(_) => {}
        }
    }
    all
}

/// Sums over the edges into each output unit. O(weights / 64 + edges) without positions, O(weights + edges · output pixels) with them.
pub(super) fn to_outputs<T: Number>(stage: &Stage, mask: Option<&Mask>, x: &[T]) -> Vec<T> {
    let Some(geometry) = &stage.geometry else {
        let mut y = vec![T::ZERO; stage.shape.out];
        for Pair { input, output, kept } in mask.into_iter().flat_map(|mask| stage.pairs(mask)) {
            let y = &mut y[output as usize];
            *y = y.plus(x[input as usize].times(kept));
        }
        return y;
    };
    let layout = Layout::new(geometry);
    let (x, offsets, plane) = (layout.spread(x), layout.offsets(), layout.plane());
    let pixels = geometry.to[0] * geometry.to[1];
    let mut y = vec![T::ZERO; stage.shape.out * pixels];
    y.par_chunks_mut(pixels).enumerate().for_each(|(output, y)| {
        let mut sums = vec![T::ZERO; layout.run];
        for (input, tap) in stage.edges_into(mask, output) {
            layout::add(&mut sums, &x[input * plane + offsets[tap]..][..layout.run]);
        }
        layout.rows_of(&sums, y);
    });
    y
}

/// Sums over the edges out of each unit of the tensor that a stage reads. Complexity as [`to_outputs`].
fn to_inputs(stage: &Stage, mask: Option<&Mask>, y: &[f64], inputs: usize) -> Vec<f64> {
    let mut x = vec![0.0; inputs];
    let Some(geometry) = &stage.geometry else {
        for Pair { input, output, kept } in mask.into_iter().flat_map(|mask| stage.pairs(mask)) {
            x[input as usize] += y[output as usize].times(kept);
        }
        return x;
    };
    let layout = Layout::new(geometry);
    let (y, offsets) = (layout.runs(y), layout.offsets());
    x.par_chunks_mut(geometry.from[0] * geometry.from[1]).enumerate().for_each(|(input, x)| {
        let mut sums = vec![0.0; layout.plane()];
        for (output, tap) in stage.edges_out_of(mask, input) {
            layout::add(&mut sums[offsets[tap]..][..layout.run], &y[output * layout.run..][..layout.run]);
        }
        layout.collect(&sums, x);
    });
    x
}

/// x · y summed over the pixels that each edge of a mask joins, in edge order. Complexity as [`to_outputs`].
pub(super) fn along_edges(stage: &Stage, mask: &Mask, x: &[f64], y: &[f64]) -> Vec<f64> {
    let Some(geometry) = &stage.geometry else {
        let along = |p: Pair| std::iter::repeat_n(x[p.input as usize] * y[p.output as usize], p.kept as usize);
        return stage.pairs(mask).into_iter().flat_map(along).collect();
    };
    let layout = Layout::new(geometry);
    let (x, y, offsets) = (&layout.spread(x), &layout.runs(y), &layout.offsets());
    let (run, plane) = (layout.run, layout.plane());
    let along = move |output: usize, (input, tap): (usize, usize)| {
        let (x, y) = (&x[input * plane + offsets[tap]..][..run], &y[output * run..][..run]);
        x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>()
    };
    let outputs = (0..stage.shape.out).into_par_iter();
    outputs.flat_map_iter(|output| stage.edges_into(Some(mask), output).map(move |edge| along(output, edge))).collect()
}

/// The sums of a stage whose edges exist with this probability, independently of all others, at one unit: all units of a tensor expect
/// the same, so `x` and the result have those of one unit only.
pub(super) fn expected(stage: &Stage, density: f64, x: &[f64]) -> Vec<f64> {
    let mean = [x.iter().sum::<f64>() / x.len() as f64];
    let x = if stage.shape.linear { &mean } else { x };
    let mut y = if let Some(geometry) = &stage.geometry {
        let layout = Layout::new(geometry);
        let (x, mut sums) = (layout.spread(x), vec![0.0; layout.run]);
        layout.offsets().into_iter().for_each(|offset| layout::add(&mut sums, &x[offset..][..layout.run]));
        let mut y = vec![0.0; geometry.to[0] * geometry.to[1]];
        layout.rows_of(&sums, &mut y);
        y
    } else {
        vec![x[0] * stage.shape.taps() as f64]
    };
    for y in &mut y {
        *y *= density * stage.shape.inp as f64;
    }
    y
}
