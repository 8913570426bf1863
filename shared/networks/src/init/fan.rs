//! First weights by the size of a layer's fan: the laws of the programs of hidden networks and soft thresholds.

use super::draw::Law;
use super::state_from;
use crate::model::{ModelSpec, ModelState};
use er_graphs::density::rounded;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::names::{self, Choice};
use rayon::prelude::*;
use std::fmt;

/// Laws of first weights, with s = gain/√(fan·density) of a [`FanInit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FanLaw {
    /// N(0, s²) (He et al. 2015).
    #[default]
    KaimingNormal,
    /// ±s, with the signs of the default initialisation: either is as likely (Ramanujan et al. 2020).
    SignedConstant,
    /// s.
    UnsignedConstant,
    /// U(±1/√`fan_in`), Kaiming-uniform with a = √5; nothing but the shape matters.
    Standard,
}

impl FanLaw {
    /// All laws with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::KaimingNormal,
            name: "kaiming_normal",
            aliases: &[],
            about: "normal with standard deviation gain/sqrt(fan)",
        },
        Choice { value: Self::SignedConstant, name: "signed_constant", aliases: &[], about: "+-gain/sqrt(fan)" },
        Choice { value: Self::UnsignedConstant, name: "unsigned_constant", aliases: &[], about: "gain/sqrt(fan) everywhere" },
        Choice { value: Self::Standard, name: "standard", aliases: &[], about: "uniform in +-1/sqrt(fan_in)" },
    ];
}

names::named!(FanLaw, "initialisation");

/// Which of a layer's fans counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FanMode {
    /// Weights that an output reads: keeps the variance of activations.
    #[default]
    FanIn,
    /// out·kh·kw, with all groups' outputs: keeps the variance of gradients.
    FanOut,
}

impl FanMode {
    /// Both modes with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::FanIn, name: "fan_in", aliases: &[], about: "input channels of a group times taps" },
        Choice { value: Self::FanOut, name: "fan_out", aliases: &[], about: "output channels times taps" },
    ];

    fn of(self, shape: LayerShape) -> f64 {
        let fan = match self {
            Self::FanIn => shape.fan_in(),
            Self::FanOut => shape.fan_out(),
        };
        fan as f64
    }
}

names::named!(FanMode, "mode of the fan");

/// What follows a layer, which decides by how much its weights make up for it. The network itself has `ReLU`s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nonlinearity {
    /// max(x, 0).
    #[default]
    Relu,
    /// max(x, 0.01·x).
    LeakyRelu,
    /// Scaled exponential linear unit.
    Selu,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// Nothing.
    Linear,
}

/// A choice that explains itself.
const fn choice(value: Nonlinearity, name: &'static str, aliases: &'static [&'static str]) -> Choice<Nonlinearity> {
    Choice { value, name, aliases, about: "" }
}

impl Nonlinearity {
    /// All nonlinearities with the names that `PyTorch` has for them.
    pub const CHOICES: &[Choice<Self>] = &[
        choice(Self::Relu, "relu", &[]),
        choice(Self::LeakyRelu, "leaky_relu", &[]),
        choice(Self::Selu, "selu", &[]),
        choice(Self::Tanh, "tanh", &[]),
        choice(Self::Sigmoid, "sigmoid", &[]),
        choice(Self::Linear, "linear", &["conv1d", "conv2d", "conv3d"]),
    ];

    /// The factor that `PyTorch` recommends for standard deviations.
    ///
    /// ```
    /// use er_networks::init::Nonlinearity;
    /// assert_eq!("relu".parse::<Nonlinearity>()?.gain(), 2f64.sqrt());
    /// # Ok::<(), er_graphs::Error>(())
    /// ```
    #[must_use]
    pub fn gain(self) -> f64 {
        match self {
            Self::Relu => 2f64.sqrt(),
            Self::LeakyRelu => (2.0 / (1.0 + 0.01 * 0.01_f64)).sqrt(),
            Self::Selu => 0.75,
            Self::Tanh => 5.0 / 3.0,
            Self::Sigmoid | Self::Linear => 1.0,
        }
    }
}

names::named!(Nonlinearity, "nonlinearity");

/// How first weights follow from fans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanInit {
    /// Their law.
    pub law: FanLaw,
    /// The fan that counts.
    pub mode: FanMode,
    /// Of the nonlinearity, see [`Nonlinearity::gain`].
    pub gain: f64,
    /// What fans are multiplied by: the density for which a sparse layer is to have the scale of a whole one, or 1.
    pub density: f64,
}

impl Default for FanInit {
    fn default() -> Self {
        Self { law: FanLaw::default(), mode: FanMode::default(), gain: Nonlinearity::default().gain(), density: 1.0 }
    }
}

impl fmt::Display for FanInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.law)?;
        if self.law != FanLaw::Standard {
            write!(f, " ({}, gain {:.4})", self.mode, self.gain)?;
        }
        if self.density < 1.0 {
            write!(f, ", for density {}", rounded(self.density))?;
        }
        Ok(())
    }
}

impl FanInit {
    fn law(&self, shape: LayerShape) -> Law {
        let size = self.gain / (self.mode.of(shape) * self.density).sqrt();
        match self.law {
            FanLaw::KaimingNormal => Law::Normal { sd: size },
            FanLaw::SignedConstant => Law::Signed { size },
            FanLaw::UnsignedConstant => Law::Constant { value: size },
            FanLaw::Standard => Law::symmetric(1.0 / (shape.fan_in() as f64).sqrt()),
        }
    }
}

/// A state that has taken no steps: weights on the edges of these masks, from one stream a layer and in edge order, everything else
/// as [`state_from`] has it. Time and memory are O(edges).
///
/// # Panics
/// If there is not one mask of the right shape for each layer, or the density is not above 0.
#[must_use]
pub fn fan_state(spec: &ModelSpec, masks: &[Mask], init: &FanInit, seed: u64) -> ModelState {
    assert!(init.density > 0.0, "fans times {}", init.density);
    let drawn = masks.par_iter().enumerate();
    let weights = drawn.map(|(layer, mask)| init.law(mask.shape()).edges(layer, mask.edges(), seed)).collect();
    state_from(spec, masks.to_vec(), weights, seed)
}
