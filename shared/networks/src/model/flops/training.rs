//! What a training costs, by the formulas of the papers.

use crate::schedule::FallingDensity;
use er_graphs::names::{self, Choice};

/// Methods whose trainings have a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // described in `CHOICES`
pub enum CostMethod {
    Dense,
    SmallDense,
    Static,
    Snip,
    Set,
    RigL,
    Snfs,
    Pruning,
    GraNet,
    Lottery,
    TopKast,
    Dnw,
}

impl CostMethod {
    /// All of them with their names; several methods may have the same cost (`Method::cost`). `about` is the formula, with the symbols of
    /// [`TrainingCost`].
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Dense, name: "dense", aliases: &[], about: "1" },
        Choice {
            value: Self::SmallDense,
            name: "small_dense",
            aliases: &[],
            about: "that of the widest network with as many weights as are kept",
        },
        Choice { value: Self::Static, name: "static", aliases: &[], about: "r" },
        Choice { value: Self::Snip, name: "SNIP", aliases: &[], about: "r; the one dense gradient is ignored" },
        Choice { value: Self::Set, name: "SET", aliases: &[], about: "r" },
        Choice {
            value: Self::RigL,
            name: "RigL",
            aliases: &[],
            about: "(3·r·ΔT + 2·r + 1) / (3·(ΔT + 1)), as if updates never stopped",
        },
        Choice { value: Self::Snfs, name: "SNFS", aliases: &[], about: "(2·r + 1) / 3, as if edges stayed in their layers" },
        Choice { value: Self::Pruning, name: "pruning", aliases: &[], about: "E[r], from all weights on" },
        Choice { value: Self::GraNet, name: "GraNet", aliases: &[], about: "RigL's with E[r] for r, from the first density on" },
        Choice { value: Self::Lottery, name: "lottery", aliases: &[], about: "pruning, then static: E[r] + r" },
        Choice { value: Self::TopKast, name: "Top-KAST", aliases: &[], about: "(r + 2·b) / 3, b of the weights trained" },
        Choice { value: Self::Dnw, name: "DNW", aliases: &[], about: "(2·r + 1) / 3, derived" },
    ];
}

names::named!(CostMethod, "method");

/// A training whose cost is asked for, relative to a training of all weights with as many steps.
///
/// A step of a dense network costs 3·f_D: forward f_D, and backward one f_D for the gradients of activations and one for those of
/// weights. Along edges all three cost f_S (Evci et al. 2020, appendix H); what gradients of all weights are computed for costs
/// f_D in place of one f_S. Sorting, masking, normalisations and the loss are ignored. r = f_S / f_D.
///
/// Densities that change do so along the straight line from all weights to the last densities: where the fraction d of the weights
/// is kept, a forward pass costs 1 − (1 − r)·(1 − d) / (1 − D) of the dense one. That is exact where all layers are pruned by the
/// same schedule; pruning over all layers by magnitude finds other layer densities, which depend on the weights.
/// E\[r\] is the mean of that cost over the steps 0, ΔT, 2·ΔT, … of the training, as density falls with a cube (Zhu and Gupta 2017).
///
/// These are the published formulas. A run counts what its steps really cost, so that its `training_flops_ratio` is less for RigL (no
/// dense gradients after `T_end`, no step on top for an update), follows edges from layer to layer for SNFS, has measured densities
/// for pruning and GraNet, and for Top-KAST counts one pass with the trained weights, not two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingCost {
    /// r.
    pub sparse: f64,
    /// Cost of the forward pass of the small dense network, relative to f_D, if there is one.
    pub small_dense: Option<f64>,
    /// D, the last density of the layers that are not dense.
    pub density: f64,
    /// ΔT, in steps; not 0.
    pub interval: u64,
    /// Length of the training in steps.
    pub steps: u64,
    /// Steps at which the density begins and ends to fall, the first before the second.
    pub falls: [u64; 2],
    /// GraNet's first density.
    pub initial_density: f64,
    /// Density of the weights that Top-KAST trains.
    pub backward_density: f64,
}

impl TrainingCost {
    /// Cost of the training relative to the dense one of as many steps. None if there is no small dense network, or if GraNet's first
    /// density or that of the weights Top-KAST trains is below D.
    #[must_use]
    pub fn ratio(&self, method: CostMethod) -> Option<f64> {
        let r = self.sparse;
        match method {
            CostMethod::Dense => Some(1.0),
            CostMethod::SmallDense => self.small_dense,
            CostMethod::Static | CostMethod::Snip | CostMethod::Set => Some(r),
            CostMethod::RigL => Some(self.with_updates(r)),
            CostMethod::Snfs | CostMethod::Dnw => Some((2.0 * r + 1.0) / 3.0),
            CostMethod::Pruning => Some(self.mean(1.0)),
            CostMethod::GraNet => self.forward(self.initial_density).map(|first| self.with_updates(self.mean(first))),
            CostMethod::Lottery => Some(self.mean(1.0) + r),
            CostMethod::TopKast => self.forward(self.backward_density).map(|trained| (r + 2.0 * trained) / 3.0),
        }
    }

    /// Of steps along edges, and for every ΔT of them one that computes the gradients of all weights.
    fn with_updates(&self, r: f64) -> f64 {
        let interval = self.interval as f64;
        (3.0 * r * interval + 2.0 * r + 1.0) / (3.0 * (interval + 1.0))
    }

    /// Of a forward pass where this fraction of the weights is kept, not less than D.
    fn forward(&self, density: f64) -> Option<f64> {
        let left_out = |d: f64| 1.0 - d;
        let part = if self.density < 1.0 { left_out(density) / left_out(self.density) } else { 0.0 };
        (density >= self.density).then_some(1.0 - (1.0 - self.sparse) * part)
    }

    /// Mean of a forward pass while its cost falls from `first` to r.
    fn mean(&self, first: f64) -> f64 {
        let [begin, end] = self.falls;
        // What a forward pass costs falls as the density does, of which it is an affine function.
        let cost = FallingDensity::by_steps([first, self.sparse], begin, end);
        let at = |update: u64| cost.at(update * self.interval).unwrap_or(first);
        let updates = self.steps / self.interval;
        (0..=updates).map(at).sum::<f64>() / (updates + 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-15, "{a} {b}");
    }

    /// r = 0.2 where 0.1 of the weights are kept.
    const COST: TrainingCost = TrainingCost {
        sparse: 0.2,
        small_dense: Some(0.15),
        density: 0.1,
        interval: 10,
        steps: 60,
        falls: [20, 40],
        initial_density: 0.55,
        backward_density: 0.4,
    };

    fn ratio(method: &str) -> f64 {
        COST.ratio(method.parse().unwrap()).unwrap()
    }

    #[test]
    fn by_hand() {
        close(ratio("dense"), 1.0);
        close(ratio("small_dense"), 0.15);
        for same in ["static", "SNIP", "SET"] {
            close(ratio(same), 0.2);
        }
        close(ratio("RigL"), (10.0 * 0.6 + 1.4) / 33.0);
        close(ratio("SNFS"), 1.4 / 3.0);
        close(ratio("DNW"), 1.4 / 3.0);
        // At steps 0, 10, 20: 1; at 30 an eighth of the way is left; at 40, 50, 60: r.
        let pruning = (3.0 + (0.2 + 0.8 / 8.0) + 3.0 * 0.2) / 7.0;
        close(ratio("pruning"), pruning);
        close(ratio("lottery"), pruning + 0.2);
        // Half of what is left out at last is left out at first: half of what that saves.
        let granet = (3.0 * 0.6 + (0.2 + 0.4 / 8.0) + 3.0 * 0.2) / 7.0;
        close(ratio("GraNet"), (10.0 * 3.0 * granet + 2.0 * granet + 1.0) / 33.0);
        // A third of what is left out at last need not be trained.
        close(ratio("Top-KAST"), (0.2 + 2.0 * (1.0 - 0.8 * 2.0 / 3.0)) / 3.0);
    }

    #[test]
    fn a_dense_network_costs_what_it_costs() {
        let full = TrainingCost { sparse: 1.0, small_dense: Some(1.0), density: 1.0, backward_density: 1.0, ..COST };
        for choice in CostMethod::CHOICES {
            let expected = match choice.value {
                CostMethod::Lottery => Some(2.0),
                CostMethod::GraNet => None,
                _ => Some(1.0),
            };
            assert_eq!(full.ratio(choice.value), expected, "{}", choice.name);
        }
    }

    #[test]
    fn densities_do_not_rise() {
        let too_low = TrainingCost { small_dense: None, initial_density: 0.05, backward_density: 0.05, ..COST };
        for method in [CostMethod::SmallDense, CostMethod::GraNet, CostMethod::TopKast] {
            assert_eq!(too_low.ratio(method), None);
        }
    }
}
