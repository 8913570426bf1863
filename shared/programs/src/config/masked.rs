//! What options of masks and of edges that move mean: a training in a random mask whose edges stay or move by a rule.

use er_graphs::density::Density;
use er_graphs::registry::Selected;
use er_networks::init::InitMethod;
use er_networks::model::ModelSpec;
use er_networks::schedule::LearningRates;
use er_networks::topology::rule::{InitialMask, Method};
use er_networks::topology::{MaskPlan, MaskWeights};
use er_training::train::{InitialNetwork, MaskedTraining, TrainingMethod};

use super::{ExperimentOptions, MaskSettings, Resolver, Setup};
use crate::{option, options};

/// What names of folders and summaries say of masks that come from a checkpoint to resume from.
pub const RESUMED: &str = "resumed";

/// A training in a random mask, as a program sees its options.
#[derive(Debug)]
pub struct MaskedRun {
    /// Whether edges move, and how.
    pub method: Method,
    /// The method as it is known by name, where it is.
    pub by: Option<Selected<dyn TrainingMethod>>,
    /// The masks to begin with.
    pub masks: MaskSettings,
    /// What to do about options of masks where there is none.
    pub advice: &'static str,
    /// The learning rates.
    pub learning_rates: LearningRates,
}

impl ExperimentOptions {
    /// The setup of such a training of this network. Where the method has no mask, options of masks that the program has not kept are
    /// problems.
    pub fn masked(&self, spec: Option<ModelSpec>, run: MaskedRun, seed: u64, resolver: &mut Resolver) -> Option<Setup> {
        let MaskedRun { method, by, masks: settings, advice, learning_rates } = run;
        let init = self.init.method(resolver);
        let ortho_repair = resolver.keep(option!(self.init.ortho_repair));
        resolver.keep(option!(self.sparse.sparse));
        let is_masked = method.has_mask();
        let mut masks = None;
        if is_masked {
            resolver.keep(option!(self.sparse.fix));
            masks = self.plan(&settings, init, spec.as_ref(), seed, resolver);
        } else {
            let of_masks = self.sparse.mask.ids().into_iter().chain(options![self.sparse.fix]);
            for option in of_masks {
                if !resolver.is_kept(option) {
                    resolver.no_effect(option, "without a mask", advice);
                }
            }
        }
        let spec = spec?;
        let mut densities = Vec::new();
        if let (Some(_), Some(masks)) = (method.backward, &masks) {
            densities = resolver.take(masks.draw(&spec, None))?.densities_requested;
        }
        if let Some(masks) = masks.as_mut().filter(|_| method.start == InitialMask::Full) {
            masks.density = Density::FULL;
        }
        let sparse_init = option!(self.sparse.mask.sparse_init);
        if let Some(masks) = &settings.of_file {
            resolver.keep_masks(sparse_init, masks);
        }
        let initial = InitialNetwork { masks, given: settings.of_file, init, ortho_repair, seed };
        let mut training = MaskedTraining::new(&spec, initial, method, densities);
        training.by = by;
        let (mut name, facts) = (training.name(), training.facts(&spec));
        if self.train.resume.is_some() && is_masked {
            // Its masks are what the checkpoint has.
            RESUMED.clone_into(&mut name);
            training.asked = resolver.asked_density(option!(self.sparse.mask.density), settings.density);
            training.kind_asked = resolver.is_given(sparse_init).then(|| resolver.show(sparse_init));
        }
        Some(Setup { spec, approach: Box::new(training), name, facts, learning_rates })
    }

    /// What the masks are drawn from, and whether the way first weights are drawn goes with them.
    fn plan(
        &self,
        settings: &MaskSettings,
        init: InitMethod,
        spec: Option<&ModelSpec>,
        seed: u64,
        resolver: &mut Resolver,
    ) -> Option<MaskPlan> {
        if matches!(settings.init.weights(), MaskWeights::Bring(_)) && init != InitMethod::Default {
            let (option, name) = (resolver.show(option!(self.init.init_method)), settings.init.name());
            let what = format!("{option}: {name} brings weights of its own");
            resolver.problems.add_with_help(what, "leave --init-method at default");
        }
        self.sparse.mask.plan(settings, spec?, seed, resolver)
    }
}
