//! A layer's passes: which pixels each edge connects.

use super::Conv;
use super::pass::{Grid, Pass, Weights};
use super::region::Region;
use super::shape::{ConvShape, FrameShape, chunk};
use super::weights::{Arc, Dense, Link, Sparse};
use crate::engine::simd::Isa;
use crate::graph::Mask;
use crate::model::Image;

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

/// The forward pass.
pub(super) fn forward(isa: Isa, conv: ConvShape, mask: &Mask, frame: FrameShape, output: Image, dense: bool) -> Pass {
    let shape = conv.shape;
    let weights = if dense {
        let links = mask.iter().map(|p| {
            let [unit, channel, tap] = conv.position(p);
            Some(Link { unit, channel, tap })
        });
        let taps = (0..shape.taps()).map(|t| conv.tap(t, frame.pitch) as i32).collect();
        Weights::Dense(Dense::new([shape.out, shape.inp, frame.channel], taps, isa.dense_tile()[0], links))
    } else {
        let arcs = mask.iter().map(|p| {
            let [unit, channel, tap] = conv.position(p);
            Some(Arc { unit, channel, offset: (channel * frame.channel + conv.tap(tap, frame.pitch)) as i32 })
        });
        let seen = (3 * conv.stride + shape.kernel[0]) * (3 * conv.stride + shape.kernel[1]);
        let chunk = chunk(frame.channels, conv.groups, seen, shape.taps(), mask.density());
        Weights::Sparse(Sparse::new(shape.out, frame.channels, chunk, arcs))
    };
    Pass {
        weights,
        taps: shape.kernel,
        image: output,
        columns: output.width,
        input_step: conv.stride,
        output_step: 1,
        output_first: [0, 0],
        tilings: Vec::new(),
    }
}

/// One phase of the input gradient: the input pixels whose row and column leave the remainders `phase`.
pub(super) fn backward(isa: Isa, layer: &Conv, mask: &Mask, reach: usize, phase: [usize; 2], dense: bool) -> Pass {
    let (conv, frame) = (layer.place, layer.gradient);
    let ConvShape { shape, stride, padding, groups, .. } = conv;
    // Offset of the output gradient that input pixel `phase + stride·q` reaches through a tap, relative to q; none if it falls
    // between.
    let distance = move |phase: usize, k: usize| {
        let distance = (phase + padding) as i32 - k as i32;
        (distance.rem_euclid(stride as i32) == 0).then(|| distance.div_euclid(stride as i32) + reach as i32)
    };
    let offset = move |tap: usize| {
        let y = distance(phase[0], tap / shape.kernel[1])?;
        let x = distance(phase[1], tap % shape.kernel[1])?;
        Some(y * frame.pitch as i32 + x)
    };
    let reached = shape.kernel.map(|k| k.div_ceil(stride));
    let weights = if dense {
        let taps: Vec<usize> = (0..shape.taps()).filter(|&t| offset(t).is_some()).collect();
        let links = mask.iter().map(|p| {
            let [o, unit, tap] = conv.position(p);
            taps.iter().position(|&t| t == tap).map(|tap| Link { unit, channel: o, tap })
        });
        let offsets = taps.iter().filter_map(|&t| offset(t)).collect();
        Weights::Dense(Dense::new([shape.inp, shape.out, frame.channel], offsets, isa.dense_tile()[0], links))
    } else {
        let arcs = mask.iter().map(|p| {
            let [channel, unit, tap] = conv.position(p);
            Some(Arc { unit, channel, offset: (channel * frame.channel) as i32 + offset(tap)? })
        });
        let seen = (3 + reached[0]) * (3 + reached[1]);
        let chunk = chunk(frame.channels, groups, seen, reached[0] * reached[1], mask.density());
        Weights::Sparse(Sparse::new(shape.inp * groups, frame.channels, chunk, arcs))
    };
    Pass {
        weights,
        taps: reached,
        image: layer.input,
        columns: layer.input.width.saturating_sub(phase[1]).div_ceil(stride),
        input_step: 1,
        output_step: stride,
        output_first: phase,
        tilings: Vec::new(),
    }
}
