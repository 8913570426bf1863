//! What is measured: masks drawn now, those of a file or a run, or one random graph without a network.

use std::path::Path;

use serde_json::{Value, json};

use super::{MOST_EDGES, Options};
use crate::cli::drawn::{DrawnOptions, OfConfiguration};
use crate::config::{MaskOptions, OptionId, Resolver, values};
use crate::{option, options};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Biadjacency, Mask};
use er_networks::model::{self, ModelSpec};
use er_networks::schedule::Clock;
use er_networks::topology::Repair;
use er_training::memory;
use er_training::run::{MaskFile, RunFolder, read_masks};

/// Something to measure.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it is, for the answer's `source`.
    pub(super) source: Value,
    /// In a few words.
    pub(super) title: String,
    /// The graphs.
    pub(super) graphs: Graphs,
    /// Seed of what is measured on samples.
    pub(super) seed: u64,
}

/// Graphs to measure.
#[derive(Debug)]
pub(super) enum Graphs {
    /// The masks of a network.
    Network(Network),
    /// One graph, drawn with this density.
    Alone(Biadjacency, f64),
}

/// A network with its masks.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) spec: ModelSpec,
    pub(super) masks: Vec<Mask>,
    /// What was asked for, where that is known.
    pub(super) requested: Option<Requested>,
}

impl Network {
    /// Refuses masks of which one does not fit into memory as a graph, each weight an edge.
    pub(super) fn check_memory(&self, available: u64) -> Result<()> {
        for (layer, mask) in self.spec.layers().iter().zip(&self.masks) {
            let sides = [layer.shape.out, layer.groups * layer.shape.fan_in()];
            check_memory(&format!("the graph of {}", layer.name), sides, mask.edges() as f64, available)?;
        }
        Ok(())
    }
}

/// The densities that masks were drawn with.
#[derive(Debug)]
pub(super) struct Requested {
    /// Of each layer.
    pub(super) densities: Vec<f64>,
    /// Of all layers that are not dense.
    pub(super) overall: f64,
    /// Which layers are dense.
    pub(super) dense: Vec<bool>,
}

/// Bytes a node that measuring a graph takes at least: where its neighbours begin, its degree, and what it is marked with.
const BYTES_PER_NODE: u128 = 32;

/// Options that say how masks are drawn, but for these.
fn refuse_drawing(mask: &MaskOptions, but: &[OptionId], why: &str, resolver: &mut Resolver) {
    for option in mask.ids().into_iter().filter(|option| !but.contains(option)) {
        resolver.no_effect(option, why, "leave it out");
    }
}

impl Subject {
    /// What the options name. Tells all their problems, and those that `resolver` has found before.
    ///
    /// # Errors
    /// One usage error with all problems; files that are missing, damaged, or do not fit.
    pub(super) fn new(options: &Options, mut resolver: Resolver, of: &OfConfiguration) -> Result<Self> {
        if options.masks.is_some() || options.shape.is_some() {
            let why = "beside other masks";
            resolver.no_effect(option!(options.drawn.configuration), why, "leave one of them out");
        }
        match (&options.masks, options.shape) {
            (Some(path), None) => {
                refuse_drawing(&options.drawn.mask, &[], "with masks from a file", &mut resolver);
                Self::of_path(path, &options.drawn, resolver)
            }
            (None, Some(shape)) => Self::alone(shape, options, resolver),
            (None, None) => Self::drawn(options.drawn.clone(), resolver, of),
            (Some(path), Some(_)) => {
                let what = format!("{} is to be measured, and a graph of --shape: there can be one", path.display());
                resolver.problems.add_with_help(what, "leave one of them out");
                resolver.finish()?;
                unreachable!("there is a problem")
            }
        }
    }

    /// Masks that the options describe, or that a run with a configuration would draw.
    fn drawn(options: DrawnOptions, resolver: Resolver, of: &OfConfiguration) -> Result<Self> {
        let asked = match &options.configuration {
            Some(path) => json!({ "config": path }),
            None => json!({
                "sparse_init": options.mask.sparse_init.to_string(),
                "sampling": options.mask.drawing.sampling.to_string(),
            }),
        };
        let of_what = match &options.configuration {
            Some(path) => format!("first masks of a run with {}", path.display()),
            None => format!("{} masks", options.mask.sparse_init),
        };
        let (spec, drawn, seed) = options.draw(resolver, of)?;
        let density = drawn.requested.get();
        let flow: Repair = drawn.repairs.iter().copied().sum();
        let mut source = json!({
            "kind": "drawn",
            "density_requested": density,
            "seed": seed,
            "edges_added_by_flow": flow.added,
            "edges_removed_by_flow": flow.removed,
            "edges_short_for_flow": flow.short,
        });
        if let (Value::Object(source), Value::Object(asked)) = (&mut source, asked) {
            source.extend(asked);
        }
        Ok(Self {
            source,
            title: format!("{of_what} of {}, density {density}, seed {seed}", spec.name()),
            graphs: Graphs::Network(Network {
                spec,
                requested: Some(Requested { densities: drawn.densities_requested, overall: density, dense: drawn.dense }),
                masks: drawn.masks,
            }),
            seed,
        })
    }

    fn alone((right, left): (usize, usize), options: &Options, mut resolver: Resolver) -> Result<Self> {
        let (why, DrawnOptions { network, mask, seed, .. }) = ("with --shape, a graph without a network", &options.drawn);
        let of_networks = network.ids().into_iter().chain(options![options.view, options.against, options.layer]);
        for option in of_networks {
            resolver.no_effect(option, why, "leave it out");
        }
        refuse_drawing(mask, &options![mask.density, mask.drawing.sampling], why, &mut resolver);
        let (density, law, seed) = (mask.density.get(), mask.drawing.sampling, *seed);
        let expected = left as f64 * right as f64 * density;
        if expected > MOST_EDGES {
            let what = format!(
                "--shape {right}x{left} at density {density} has {expected:.3e} edges: up to {MOST_EDGES:.0e} can be drawn"
            );
            resolver.problems.add_with_help(what, "lower the density or the size");
        }
        resolver.finish()?;
        check_memory(
            &format!("a graph of {right}x{left} with {expected:.1e} edges"),
            [left, right],
            expected,
            memory::available(),
        )?;
        let graph = Biadjacency::sample(left, right, density, law, seed);
        Ok(Self {
            source: json!({ "kind": "random graph", "density_requested": density, "sampling": law.to_string(), "seed": seed }),
            title: format!("random graph {right}×{left}, density {density}, seed {seed}"),
            graphs: Graphs::Alone(graph, density),
            seed,
        })
    }

    fn of_path(path: &Path, options: &DrawnOptions, mut resolver: Resolver) -> Result<Self> {
        let is_run = path.is_dir();
        let file = if is_run { RunFolder::last_in(path)? } else { path.to_owned() };
        let about = MaskFile::read(&file)?;
        let spec = network_of(path, &about, options, &mut resolver)?;
        resolver.finish()?;
        let masks = read_masks(&file, &spec)?;
        let program = about.origin.as_ref().map(|o| o.program.as_str());
        Ok(Self {
            source: json!({
                "kind": if is_run { "run" } else { "file" },
                "path": path,
                "program": program,
                "epoch": about.clock.map(Clock::epochs_begun),
                "step": about.clock.map(|clock| clock.step),
            }),
            title: format!("masks of {}, {}", spec.name(), path.display()),
            graphs: Graphs::Network(Network { spec, masks, requested: None }),
            seed: options.seed,
        })
    }
}

/// Refuses a graph that does not fit into memory: its lists of neighbours, from both sides, and what the least statistics note of each node.
fn check_memory(what: &str, sides: [usize; 2], edges: f64, available: u64) -> Result<()> {
    let nodes: u128 = sides.into_iter().map(|side| side as u128).sum();
    let needed = BYTES_PER_NODE * nodes + 2 * size_of::<u32>() as u128 * edges as u128;
    memory::check(what, needed, available, "lower the density or the size")
}

/// The network of a file: the one it names, or, where it names none, that of the options.
fn network_of(path: &Path, about: &MaskFile, options: &DrawnOptions, resolver: &mut Resolver) -> Result<ModelSpec> {
    let network = &options.network;
    let Some(origin) = &about.origin else {
        if network.ids().into_iter().any(|option| resolver.is_given(option)) {
            return network.network(|usual| network.name(usual));
        }
        let what = format!("{} does not say of which network its masks are", path.display());
        return Err(Error::usage(what).help("say so with --model and --data"));
    };
    for option in network.ids() {
        resolver.no_effect(option, "with a file that names its network", "leave it out");
    }
    let wrong =
        |why: &dyn std::fmt::Display| Error::failure(format!("{} names a network that cannot be built: {why}", path.display()));
    let image = values::image(&origin.input).map_err(|e| wrong(&e))?;
    model::build(&origin.model, image, origin.classes).map_err(|e| wrong(&e.what()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_refused_that_do_not_fit() {
        let needed = 32 * (3_000_000_000 + 3) + 8 * 90_000;
        let check = |available| check_memory("a graph", [3_000_000_000, 3], 9e4, available);
        assert!(check(needed).is_ok());
        let error = check(needed - 1).unwrap_err();
        assert_eq!(error.what(), "a graph takes about 96.0 GB of memory, and 96.0 GB are free");
    }

    #[test]
    fn layers_are_refused_whose_graphs_do_not_fit() {
        let spec = model::build("mlp-100-50", values::image("1x8x8").unwrap(), 10).unwrap();
        let masks: Vec<Mask> = spec.layers().iter().map(|layer| Mask::full(layer.shape)).collect();
        let network = Network { spec, masks, requested: None };
        // The first layer: 100 outputs, 64 inputs.
        let needed = 32 * 164 + 8 * 6400;
        assert!(network.check_memory(needed).is_ok());
        let error = network.check_memory(needed - 1).unwrap_err();
        assert!(error.what().starts_with("the graph of fc1.weight takes about "), "{error}");
    }
}
