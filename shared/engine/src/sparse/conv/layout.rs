//! A layer's passes: which pixels each edge connects.

use super::pass::{Grid, Pass, Weights};
use super::region::Region;
use super::shape::{ConvShape, FrameShape, chunk};
use super::weights::{Arc, Dense, Link, Sparse};
use crate::simd::Isa;
use er_graphs::graph::Mask;
use er_networks::model::Image;

/// The output pixels of a region.
pub(super) fn forward_grid(region: &Region) -> Grid {
    Grid { block: region.block, blocks: region.blocks, first: region.rows.start, rows: region.rows.len() }
}

/// The input pixels of one phase that belong to a region.
pub(super) fn backward_grid(region: &Region, pass: &Pass, stride: usize, input: Image) -> Grid {
    let all = input.height.saturating_sub(pass.output_first[0]).div_ceil(stride);
    let last = if region.last { all } else { region.rows.end.min(all) };
    Grid { block: region.block, blocks: region.blocks, first: region.rows.start, rows: last.saturating_sub(region.rows.start) }
}

/// The forward pass, without edges.
pub(super) fn forward(conv: ConvShape, output: Image) -> Pass {
    Pass {
        weights: Weights::Sparse(Sparse::default()),
        taps: conv.shape.kernel,
        image: output,
        columns: output.width,
        input_step: conv.stride,
        output_step: 1,
        output_first: [0, 0],
        tilings: Vec::new(),
    }
}

/// One phase of the input gradient, without edges: the input pixels whose row and column leave the remainders `phase`.
pub(super) fn backward(conv: ConvShape, input: Image, phase: [usize; 2]) -> Pass {
    Pass {
        weights: Weights::Sparse(Sparse::default()),
        taps: reached(conv),
        image: input,
        columns: input.width.saturating_sub(phase[1]).div_ceil(conv.stride),
        input_step: 1,
        output_step: conv.stride,
        output_first: phase,
        tilings: Vec::new(),
    }
}

/// Rows and columns of the output gradient that a pixel of the input sees.
fn reached(conv: ConvShape) -> [usize; 2] {
    conv.shape.kernel.map(|k| k.div_ceil(conv.stride))
}

/// What the forward pass gathers along.
pub(super) fn forward_weights(isa: Isa, conv: ConvShape, frame: FrameShape, mask: &Mask, dense: bool) -> Weights {
    let shape = conv.shape;
    let taps = (0..shape.taps()).map(|t| conv.tap(t, frame.pitch) as i32).collect::<Vec<_>>();
    if dense {
        let links = mask.iter().map(|p| {
            let [unit, channel, tap] = conv.position(p);
            Some(Link { unit, channel, tap })
        });
        return Weights::Dense(Dense::new([shape.out, shape.inp, frame.channel], taps, isa.dense_tile()[0], links));
    }
    let arcs = mask.iter().map(|p| {
        let [unit, channel, tap] = conv.position(p);
        Some(Arc { unit, channel, offset: (channel * frame.channel) as i32 + taps[tap] })
    });
    let seen = (3 * conv.stride + shape.kernel[0]) * (3 * conv.stride + shape.kernel[1]);
    let chunk = chunk(frame.channels, conv.groups, seen, shape.taps(), mask.density());
    Weights::Sparse(Sparse::new([shape.out, frame.channels, chunk], mask.edges(), arcs))
}

/// What a phase of the input gradient gathers along.
pub(super) fn backward_weights(
    isa: Isa,
    conv: ConvShape,
    frame: FrameShape,
    phase: [usize; 2],
    mask: &Mask,
    dense: bool,
) -> Weights {
    let ConvShape { shape, stride, padding, groups, .. } = conv;
    // Offset of the output gradient that input pixel `phase + stride·q` reaches through a tap, relative to q; none if it falls
    // between.
    let distance = |phase: usize, k: usize| {
        let distance = (phase + padding) as i32 - k as i32;
        (distance.rem_euclid(stride as i32) == 0).then(|| distance.div_euclid(stride as i32) + frame.beside as i32)
    };
    let offsets = (0..shape.taps()).map(|tap| {
        let y = distance(phase[0], tap / shape.kernel[1])?;
        let x = distance(phase[1], tap % shape.kernel[1])?;
        Some(y * frame.pitch as i32 + x)
    });
    let offsets: Vec<Option<i32>> = offsets.collect();
    if dense {
        let taps: Vec<usize> = (0..shape.taps()).filter(|&t| offsets[t].is_some()).collect();
        let links = mask.iter().map(|p| {
            let [o, unit, tap] = conv.position(p);
            taps.iter().position(|&t| t == tap).map(|tap| Link { unit, channel: o, tap })
        });
        let reached = offsets.iter().flatten().copied().collect();
        return Weights::Dense(Dense::new([shape.inp, shape.out, frame.channel], reached, isa.dense_tile()[0], links));
    }
    let arcs = mask.iter().map(|p| {
        let [channel, unit, tap] = conv.position(p);
        Some(Arc { unit, channel, offset: (channel * frame.channel) as i32 + offsets[tap]? })
    });
    let [rows, columns] = reached(conv);
    let chunk = chunk(frame.channels, groups, (3 + rows) * (3 + columns), rows * columns, mask.density());
    Weights::Sparse(Sparse::new([shape.inp * groups, frame.channels, chunk], mask.edges(), arcs))
}
