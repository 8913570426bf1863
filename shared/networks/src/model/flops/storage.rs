//! How many bytes a sparse network takes.

use serde::Serialize;

use crate::model::{Layer, ModelSpec};

/// Bytes of a network in single precision, in four forms. A layer that keeps all its weights is stored densely in each of them, 4
/// bytes a weight and no mask. Fractional where numbers of edges are expected values.
///
/// Running statistics of normalisations, names and headers are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Storage {
    /// All weights, 4 bytes each.
    pub dense: f64,
    /// 4 bytes a kept weight and one bit for every weight, in whole bytes a layer.
    pub bit_mask: f64,
    /// Compressed sparse rows, one row an output: 4 bytes a kept weight, 2 bytes for its column where a row has at most 65,536 of
    /// them and else 4, and 4 bytes a row and one more for where rows begin.
    pub csr: f64,
    /// As RigL's tables count (Evci et al. 2020): 4 bytes a kept weight, one bit for every weight, and 4 bytes for every output
    /// channel of every layer, for a bias that need not be there (a depthwise convolution has one channel); normalisations are not
    /// counted.
    pub rigl: f64,
}

/// Columns that two bytes can name.
const SHORT: usize = 1 << 16;

impl Storage {
    /// The weights of one layer of which `edges` are kept, without its bias but for `rigl`'s.
    #[must_use]
    pub fn of_layer(layer: &Layer, edges: f64) -> Self {
        let (weights, out) = (layer.shape.weights(), layer.shape.out);
        let (dense, kept, biases) = (4.0 * weights as f64, 4.0 * edges, if layer.depthwise { 4.0 } else { 4.0 * out as f64 });
        if edges >= weights as f64 {
            return Self { dense, bit_mask: dense, csr: dense, rigl: dense + biases };
        }
        let column = if weights / out <= SHORT { 2.0 } else { 4.0 };
        Self {
            dense,
            bit_mask: kept + weights.div_ceil(8) as f64,
            csr: kept + column * edges + 4.0 * (out + 1) as f64,
            rigl: kept + weights as f64 / 8.0 + biases,
        }
    }

    /// All trained parameters of a network of whose layer l `edges[l]` weights are kept: its layers, and (but for `rigl`) 4 bytes
    /// for every bias, scale and shift.
    ///
    /// # Panics
    /// If there is not one number of edges for each layer.
    #[must_use]
    pub fn of_network(spec: &ModelSpec, edges: &[f64]) -> Self {
        assert_eq!(spec.layers().len(), edges.len(), "model {}: one number of edges a layer", spec.name());
        let others = 4.0 * (spec.parameter_count() - spec.weight_count()) as f64;
        let start = Self { dense: others, bit_mask: others, csr: others, rigl: 0.0 };
        spec.layers().iter().zip(edges).fold(start, |sum, (layer, edges)| {
            let of = Self::of_layer(layer, *edges);
            Self {
                dense: sum.dense + of.dense,
                bit_mask: sum.bit_mask + of.bit_mask,
                csr: sum.csr + of.csr,
                rigl: sum.rigl + of.rigl,
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // whole numbers
mod tests {
    use super::*;
    use crate::model::{Image, build};

    #[test]
    fn by_hand() {
        // 784-300-100-10 with 410 biases; the first layer keeps a tenth, the second 7 weights, the last all.
        let mlp = build("lenet-300-100", Image::new(1, 28, 28), 10).unwrap();
        let of = Storage::of_network(&mlp, &[23_520.0, 7.0, 1000.0]);
        assert_eq!(of.dense, 4.0 * 266_610.0);
        assert_eq!(of.bit_mask, 4.0 * (23_520.0 + 7.0 + 1000.0 + 410.0) + 29_400.0 + 3750.0);
        assert_eq!(of.rigl, of.bit_mask);
        assert_eq!(of.csr, 6.0 * 23_527.0 + 4.0 * (301.0 + 101.0 + 1000.0 + 410.0));
    }

    #[test]
    fn long_rows_have_long_columns() {
        let csr = |features: usize| {
            let net = build("mlp-8", Image::new(1, 1, features), 10).unwrap();
            Storage::of_layer(&net.layers()[0], 100.0).csr
        };
        assert_eq!((csr(65_536), csr(65_537)), (636.0, 836.0));
    }

    #[test]
    fn odd_masks_take_whole_bytes_and_depthwise_layers_one_bias() {
        let net = build("mobilenet-v1", Image::new(3, 32, 32), 10).unwrap();
        let (stem, depthwise) = (&net.layers()[0], &net.layers()[1]);
        assert!(depthwise.depthwise && depthwise.shape.out == 32);
        assert_eq!(Storage::of_layer(stem, 1.0).bit_mask, 4.0 + 108.0);
        assert_eq!(Storage::of_layer(depthwise, 288.0).rigl, 4.0 * 289.0);
        let mlp = build("mlp-3", Image::new(1, 1, 3), 3).unwrap();
        let of = Storage::of_layer(&mlp.layers()[0], 2.0);
        assert_eq!((of.bit_mask, of.rigl), (8.0 + 2.0, 8.0 + 1.125 + 12.0));
    }
}
