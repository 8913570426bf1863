//! What options of masks and of edges that move mean: a training in a random mask whose edges stay or move by a rule.

use er_graphs::density::Density;
use er_graphs::graph::Mask;
use er_networks::model::ModelSpec;
use er_networks::topology::rule::{InitialMask, Method};
use er_training::train::{InitialNetwork, MaskedTraining};

use super::{Checks, ExperimentOptions, Setup};

impl ExperimentOptions {
    /// What these options mean with this method and the masks `given` by a file, if there is one. Without a mask, options of masks
    /// are problems but for those in `but`, with `advice` on what to do.
    pub fn moving(
        &mut self,
        method: Method,
        given: Option<Vec<Mask>>,
        spec: Option<ModelSpec>,
        (advice, but): (&str, &[&str]),
        checks: &mut Checks,
    ) -> Option<Setup> {
        let seed = self.train.seed;
        let init = self.init.resolve(checks);
        if !self.sparse.sparse {
            self.sparse.refuse(advice, but, checks);
        }
        let mut masks = self.sparse.plan(spec.as_ref(), init, seed, checks);
        let spec = spec?;
        let mut densities = Vec::new();
        if let (Some(_), Some(masks)) = (method.backward, &masks) {
            densities = checks.take(masks.draw(&spec, None))?.densities_requested;
        }
        if let Some(masks) = masks.as_mut().filter(|_| method.start == InitialMask::Full) {
            masks.density = Density::FULL;
        }
        let contents = given.iter().map(|masks| ("sparse-init", masks.iter().flat_map(Mask::to_bytes).collect()));
        let contents = contents.collect();
        let beginning = InitialNetwork { masks, given, init, ortho_repair: self.init.ortho_repair, seed };
        let moving = MaskedTraining::new(&spec, beginning, method, densities);
        let (name, facts) = (moving.name(), moving.facts(&spec));
        Some(Setup { spec, approach: Box::new(moving), name, facts, contents, notes: Vec::new() })
    }
}
