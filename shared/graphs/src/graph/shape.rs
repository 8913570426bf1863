//! Shape of a layer's weight tensor.

use serde::{Deserialize, Serialize};

/// Shape of a maskable weight tensor: `(out, inp, kh, kw)` for a convolution, `(out, inp)` for a linear layer. For a grouped
/// convolution `inp` is the number of input channels **per group**, as in the tensor itself.
///
/// Weights are numbered row-major: `((o·inp + i)·kh + ky)·kw + kx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LayerShape {
    /// Output units or channels.
    pub out: usize,
    /// Input units, or input channels per group.
    pub inp: usize,
    /// Kernel height and width; `[1, 1]` for a linear layer.
    pub kernel: [usize; 2],
    /// Whether the tensor has two dimensions. A linear layer and a 1×1 convolution differ in the ERK rule, which adds up the
    /// entries of the shape.
    pub linear: bool,
}

impl LayerShape {
    /// A convolution `(out, inp, kh, kw)`.
    #[must_use]
    pub const fn conv(out: usize, inp: usize, kernel: [usize; 2]) -> Self {
        Self { out, inp, kernel, linear: false }
    }

    /// A linear layer `(out, inp)`.
    #[must_use]
    pub const fn linear(out: usize, inp: usize) -> Self {
        Self { out, inp, kernel: [1, 1], linear: true }
    }

    /// Entries of the tensor's shape: two for a linear layer, four for a convolution.
    #[must_use]
    pub fn dims(&self) -> Vec<usize> {
        if self.linear { vec![self.out, self.inp] } else { vec![self.out, self.inp, self.kernel[0], self.kernel[1]] }
    }

    /// Number of weights N.
    #[must_use]
    pub const fn weights(&self) -> usize {
        self.out * self.fan_in()
    }

    /// Kernel positions per pair of channels.
    #[must_use]
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// `inp·kh·kw`.
    #[must_use]
    pub const fn fan_in(&self) -> usize {
        self.inp * self.taps()
    }

    /// `out·kh·kw`.
    #[must_use]
    pub const fn fan_out(&self) -> usize {
        self.out * self.taps()
    }
}

impl std::fmt::Display for LayerShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: Vec<String> = self.dims().iter().map(ToString::to_string).collect();
        f.write_str(&text.join("×"))
    }
}
