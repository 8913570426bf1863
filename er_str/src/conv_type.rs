//! The layers of the published programs.

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// What the convolutions and linear layers of a network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum ConvType {
    /// An ordinary layer.
    #[value(name = "DenseConv")]
    #[serde(rename = "DenseConv")]
    Dense,
    /// Soft threshold.
    #[value(name = "STRConv")]
    #[serde(rename = "STRConv")]
    Str,
    /// Soft threshold inside a random mask.
    #[value(name = "STRConvER")]
    #[serde(rename = "STRConvER")]
    StrEr,
    /// A random mask that stays.
    #[value(name = "ConvER")]
    #[serde(rename = "ConvER")]
    Er,
    /// A mask that iterative pruning changes.
    #[value(name = "ConvMask")]
    #[serde(rename = "ConvMask")]
    Mask,
    /// The largest weights at each step; gradients of all.
    #[value(name = "DNWConv")]
    #[serde(rename = "DNWConv")]
    Dnw,
    /// The largest weights at each step, fewer and fewer.
    #[value(name = "GMPConv")]
    #[serde(rename = "GMPConv")]
    Gmp,
}

impl fmt::Display for ConvType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

impl ConvType {
    /// Whether weights have thresholds.
    pub(crate) fn is_soft(self) -> bool {
        matches!(self, Self::Str | Self::StrEr)
    }

    /// Whether weights may be missing from the beginning.
    pub(crate) fn is_masked(self) -> bool {
        matches!(self, Self::StrEr | Self::Er | Self::Mask)
    }

    /// Whether a part of the weights is left out.
    pub(crate) fn is_pruned(self) -> bool {
        matches!(self, Self::Dnw | Self::Gmp)
    }
}

/// What normalisations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
pub(crate) enum BnType {
    /// Scale and shift.
    #[value(name = "LearnedBatchNorm")]
    #[serde(rename = "LearnedBatchNorm")]
    Learned,
    /// Neither.
    #[value(name = "NonAffineBatchNorm")]
    #[serde(rename = "NonAffineBatchNorm")]
    NonAffine,
}

/// Widths of ResNet-18, under the names of the later published program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResnetType {
    /// ResNet-18.
    Large,
    /// ResNet-50.
    Res50,
    /// Every stage --width wide.
    SmallDense,
    /// Stages of --width, twice, four and eight times that.
    SmallDenseInc,
    /// ResNet-18 whose later stages are at most --width wide.
    SmallSub,
}
