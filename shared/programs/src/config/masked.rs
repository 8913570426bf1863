//! What options of masks and of edges that move mean: a training in a random mask whose edges stay or move by a rule.

use er_graphs::density::Density;
use er_graphs::graph::Mask;
use er_graphs::registry::Selected;
use er_networks::model::ModelSpec;
use er_networks::topology::rule::{InitialMask, Method};
use er_training::train::{InitialNetwork, MaskedTraining, TrainingMethod};

use super::{Checks, ExperimentOptions, Setup};

/// What names of folders and summaries say of masks that come from a checkpoint to resume from.
pub const RESUMED: &str = "resumed";

impl ExperimentOptions {
    /// What these options mean with this method, as options have it, the name it is known `by`, and the masks `given` by a file, if there is one. Without a mask, options of masks
    /// are problems but for those in `but`, with `advice` on what to do.
    pub fn moving(
        &mut self,
        method: Method,
        by: Option<Selected<dyn TrainingMethod>>,
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
        let initial = InitialNetwork { masks, given, init, ortho_repair: self.init.ortho_repair, seed };
        let mut training = MaskedTraining::new(&spec, initial, method, densities);
        training.by = by;
        let (mut name, facts) = (training.name(), training.facts(&spec));
        if self.train.resume.is_some() && self.sparse.sparse {
            // Its masks are what the checkpoint has.
            RESUMED.clone_into(&mut name);
            training.asked = checks.asked_density("density", self.sparse.mask.density);
            training.kind_asked = checks.given.has("sparse-init").then(|| checks.given.show("sparse-init"));
        }
        Some(Setup { spec, approach: Box::new(training), name, facts, contents, notes: Vec::new() })
    }
}
