//! `ER_ortho`: masks mirrored like a looks-linear initialisation.

use super::{LayerMasks, MaskGenerator, MaskRequest, MaskWeights};
use crate::init::er_ortho_weights;
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, Mask, sample};
use er_graphs::registry::Named;

/// The same density in every layer, each mask mirrored from a random half-size one, so that a mirrored (looks-linear)
/// orthogonal initialisation fits it, which comes with the masks.
#[derive(Debug, Clone, Copy)]
pub struct ErOrtho;

impl Named for ErOrtho {
    fn name(&self) -> &'static str {
        "ER_ortho"
    }

    fn about(&self) -> &'static str {
        "uniform, mirrored to fit a looks-linear orthogonal initialisation"
    }
}

impl MaskGenerator for ErOrtho {
    fn weights(&self) -> MaskWeights {
        MaskWeights::Bring(er_ortho_weights)
    }

    fn draw(&self, request: &MaskRequest<'_>, _: &[f64]) -> Result<LayerMasks> {
        let masks = request.masks(|l, shape| {
            let half = sample(half_shape(shape, l == 0), request.density.get(), request.law, &mut request.stream(l));
            mirror(&half, shape)
        });
        Ok(request.at_one_density(masks))
    }
}

/// Shape of the half-size layer that is mirrored into one of this shape: half the outputs and, unless the layer reads the
/// network's input, half the inputs, rounded up.
#[must_use]
pub fn half_shape(shape: LayerShape, first: bool) -> LayerShape {
    LayerShape { out: shape.out.div_ceil(2), inp: if first { shape.inp } else { shape.inp.div_ceil(2) }, ..shape }
}

/// The mask of this shape in which outputs, then inputs, of a half-size mask occur twice, cropped where the number is odd:
/// position (o, i) is that of (o mod half, i mod half). It has the same expected density. O(edges) time besides clearing the
/// packed bits.
///
/// # Panics
/// If `half` does not have the [`half_shape`] of this shape, for a first or for another layer.
#[must_use]
pub fn mirror(half: &Mask, shape: LayerShape) -> Mask {
    let h = half.shape();
    assert!(h == half_shape(shape, true) || h == half_shape(shape, false), "half of {h} for a layer of shape {shape}");
    let taps = shape.taps();
    Mask::from_positions(
        shape,
        half.iter().flat_map(|p| {
            let (output, input, tap) = (p / h.fan_in(), p % h.fan_in() / taps, p % taps);
            (output..shape.out)
                .step_by(h.out)
                .flat_map(move |o| (input..shape.inp).step_by(h.inp).map(move |i| (o * shape.inp + i) * taps + tap))
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::graph::{Sampling, sample};
    use er_graphs::rng::{Purpose, stream};

    #[test]
    fn every_position_copies_its_place_in_the_half() {
        for shape in [LayerShape::conv(7, 5, [3, 2]), LayerShape::linear(6, 9), LayerShape::linear(1, 1)] {
            for first in [true, false] {
                let h = half_shape(shape, first);
                let half = sample(h, 0.4, Sampling::Bernoulli, &mut stream(5, Purpose::Mask, 0));
                let mask = mirror(&half, shape);
                for p in 0..shape.weights() {
                    let (o, i, tap) = (p / shape.fan_in(), p % shape.fan_in() / shape.taps(), p % shape.taps());
                    let q = (o % h.out * h.inp + i % h.inp) * h.taps() + tap;
                    assert_eq!(mask.contains(p), half.contains(q), "position {p} of {shape}");
                }
            }
        }
        assert_eq!(half_shape(LayerShape::conv(7, 3, [3, 3]), true), LayerShape::conv(4, 3, [3, 3]));
        assert_eq!(half_shape(LayerShape::conv(7, 5, [3, 3]), false), LayerShape::conv(4, 3, [3, 3]));
    }
}
