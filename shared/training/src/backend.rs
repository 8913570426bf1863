//! Which engine computes, and on what device: what `--engine` and `--device` choose.

use std::fmt;

use er_engine::sparse::SparseEngine;
use er_engine::{Device, Engine, ModelState, StepOptions};
use er_graphs::error::Result;
use er_networks::init::{OrthoRepair, OrthoRepaired};
use er_networks::model::ModelSpec;

use crate::memory;

#[cfg(feature = "dense")]
use er_dense as dense;
#[cfg(not(feature = "dense"))]
use without_dense as dense;

/// An engine and its device. What is computed agrees to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// [`SparseEngine`], on the CPU.
    #[default]
    Sparse,
    /// The dense engine.
    Dense(Device),
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sparse => f.write_str("sparse"),
            Self::Dense(device) => write!(f, "dense on {device}"),
        }
    }
}

impl Backend {
    /// Refuses what this build or this machine does not have; before anything is written, so that a missing GPU leaves no folder
    /// behind.
    ///
    /// # Errors
    /// An engine that was not built, a device that is not there.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Sparse => Ok(()),
            Self::Dense(device) => dense::check(device),
        }
    }

    /// An engine with this network, for batches of up to `max_batch` samples. `threads` are those of the sparse
    /// engine; the dense one uses the rayon pool that calls.
    ///
    /// # Errors
    /// As [`Backend::check`]; a state that does not fit the model, or an engine that does not fit into memory; threads or a device that
    /// cannot be started.
    pub fn engine(
        self,
        spec: ModelSpec,
        state: ModelState,
        options: StepOptions,
        max_batch: usize,
        threads: usize,
    ) -> Result<Box<dyn Engine>> {
        let needed = match self {
            Self::Sparse => memory::of_sparse_engine(&spec, &state, options, max_batch),
            // Weights, masks as numbers, gradients, optimiser state.
            Self::Dense(Device::Cpu) => memory::of_all_weights(&spec, 3 + options.optimizer.slots()),
            // The device has memory of its own, and says when it is full.
            Self::Dense(Device::Cuda(_)) => 0,
        };
        let what = format!("computing {} on batches of {max_batch} images", spec.name());
        memory::check(&what, needed, memory::available(), "lower --batch-size or the density, or choose a smaller network")?;
        match self {
            Self::Sparse => Ok(Box::new(SparseEngine::new(spec, state, options, max_batch, threads)?)),
            Self::Dense(device) => dense::engine(device, spec, state, options, max_batch),
        }
    }

    /// Repairs every layer of a state, as [`er_networks::init::ortho_repair`] does; returns what was achieved for each.
    ///
    /// # Errors
    /// As [`Backend::check`], and those of the device.
    ///
    /// # Panics
    /// If the state is not one of this model.
    pub fn ortho_repair(self, spec: &ModelSpec, state: &mut ModelState, repair: OrthoRepair) -> Result<Vec<OrthoRepaired>> {
        match self {
            Self::Sparse => Ok(er_networks::init::ortho_repair(spec, state, repair)),
            Self::Dense(device) => dense::ortho_repair(device, spec, state, repair),
        }
    }
}

/// The dense engine of a build that has none.
#[cfg(not(feature = "dense"))]
mod without_dense {
    use er_graphs::error::Error;

    use super::{Device, Engine, ModelSpec, ModelState, OrthoRepair, OrthoRepaired, Result, StepOptions};

    fn missing() -> Error {
        Error::usage("this program was built without the dense engine")
            .help("build it with default features, or leave --engine out")
    }

    pub(super) fn check(_: Device) -> Result<()> {
        Err(missing())
    }

    pub(super) fn engine(_: Device, _: ModelSpec, _: ModelState, _: StepOptions, _max_batch: usize) -> Result<Box<dyn Engine>> {
        Err(missing())
    }

    pub(super) fn ortho_repair(_: Device, _: &ModelSpec, _: &mut ModelState, _: OrthoRepair) -> Result<Vec<OrthoRepaired>> {
        Err(missing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_have_names() {
        let names = [Backend::default(), Backend::Dense(Device::Cpu), Backend::Dense(Device::Cuda(3))].map(|b| b.to_string());
        assert_eq!(names, ["sparse", "dense on cpu", "dense on cuda:3"]);
    }

    #[test]
    fn the_sparse_engine_is_always_there() {
        assert!(Backend::Sparse.check().is_ok());
    }

    #[cfg(not(feature = "dense"))]
    #[test]
    fn a_build_without_the_dense_engine_says_so() {
        for device in [Device::Cpu, Device::Cuda(0)] {
            let error = Backend::Dense(device).check().unwrap_err();
            assert_eq!(error.what(), "this program was built without the dense engine");
            assert!(error.help_text().unwrap().contains("default features"));
        }
    }
}
