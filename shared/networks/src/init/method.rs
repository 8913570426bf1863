//! Names of the initialisers.

use er_graphs::names::{self, Choice};

/// How weights get their first values. `p` is the requested density of the layer, `d` that of the whole network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitMethod {
    /// As the model family does it ([`crate::model::DefaultInit`]), without regard to the mask.
    #[default]
    Default,
    /// N(0, σ²) with σ² = 2/(`fan_in`·p).
    Normal,
    /// U(0, σ), σ as for [`Self::Normal`]: all weights positive.
    Uniform,
    /// z·a + (1−z)·b with z ~ U(0, 1), a ~ N(0.05, σ²), b ~ N(−0.05, σ²), σ as for [`Self::Normal`].
    Bimodal,
    /// A half-size semi-orthogonal matrix U as [U, −U; −U, U] / √d: pairs of units that see opposite signs, so that a ReLU
    /// network starts as a linear map (Balduzzi et al. 2017). The first layer is mirrored along outputs only.
    LooksLinear,
    /// N(0, 2/`fan_in`) (He et al. 2015).
    KaimingNormal,
    /// U(±√(6/`fan_in`)) (He et al. 2015).
    KaimingUniform,
    /// N(0, 2/(`fan_in`+`fan_out`)) (Glorot & Bengio 2010).
    XavierNormal,
    /// U(±√(6/(`fan_in`+`fan_out`))) (Glorot & Bengio 2010).
    XavierUniform,
    /// Random semi-orthogonal matrix (Saxe et al. 2014), restricted to the edges.
    Orthogonal,
    /// N(0, g²/(`fan_in`·d)) with g² = 2/(1+0.01²), the gain of a leaky ReLU (Liu et al. 2022, `--scaled`).
    Scaled,
}

/// A choice without aliases.
const fn choice(value: InitMethod, name: &'static str, about: &'static str) -> Choice<InitMethod> {
    Choice { value, name, aliases: &[], about }
}

impl InitMethod {
    /// All methods with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        choice(Self::Default, "default", "the model family's own initialisation"),
        choice(Self::Normal, "normal", "normal with variance 2/(fan_in*density)"),
        choice(Self::Uniform, "uniform", "uniform from 0 to sqrt(2/(fan_in*density))"),
        choice(Self::Bimodal, "bimodal", "mixture of two normals around 0.05 and -0.05"),
        choice(Self::LooksLinear, "looks-linear", "mirrored orthogonal blocks over sqrt(density)"),
        choice(Self::KaimingNormal, "kaiming-normal", "normal with variance 2/fan_in"),
        choice(Self::KaimingUniform, "kaiming-uniform", "uniform with variance 2/fan_in"),
        choice(Self::XavierNormal, "xavier-normal", "normal with variance 2/(fan_in+fan_out)"),
        choice(Self::XavierUniform, "xavier-uniform", "uniform with variance 2/(fan_in+fan_out)"),
        choice(Self::Orthogonal, "orthogonal", "random semi-orthogonal matrix, restricted to the edges"),
        choice(Self::Scaled, "scaled", "Kaiming normal with fan_in*density and the gain of a leaky ReLU"),
    ];
}

names::named!(InitMethod, "initialisation");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_printed() {
        for choice in InitMethod::CHOICES {
            assert_eq!(choice.value.to_string(), choice.name);
            assert_eq!(choice.name.to_uppercase().replace('-', "_").parse(), Ok(choice.value));
        }
        let error = "kaiming-norml".parse::<InitMethod>().unwrap_err();
        assert_eq!(error.to_string(), "unknown initialisation \"kaiming-norml\"\n  did you mean \"kaiming-normal\"?");
    }

    #[test]
    fn every_method_is_a_choice() {
        // Fails to compile when a method is added here without a row.
        let row = |m: InitMethod| match m {
            InitMethod::Default => 0,
            InitMethod::Normal => 1,
            InitMethod::Uniform => 2,
            InitMethod::Bimodal => 3,
            InitMethod::LooksLinear => 4,
            InitMethod::KaimingNormal => 5,
            InitMethod::KaimingUniform => 6,
            InitMethod::XavierNormal => 7,
            InitMethod::XavierUniform => 8,
            InitMethod::Orthogonal => 9,
            InitMethod::Scaled => 10,
        };
        let rows: Vec<usize> = InitMethod::CHOICES.iter().map(|c| row(c.value)).collect();
        assert_eq!(rows, (0..11).collect::<Vec<_>>());
    }
}
