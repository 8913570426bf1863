//! Which engine computes, and on what device: what `--engine` and `--device` choose.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::Serialize;

use super::sparse::SparseEngine;
use super::{Engine, ModelState, TrainOptions};
use crate::error::{Error, Result};
use crate::init::{OrthoRepair, OrthoRepaired};
use crate::model::ModelSpec;

#[cfg(feature = "dense")]
use super::dense;
#[cfg(not(feature = "dense"))]
use without_dense as dense;

/// What a dense network is computed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let lower = text.to_lowercase();
        let device = match lower.as_str() {
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            other => other.strip_prefix("cuda:").and_then(number).map(Self::Cuda),
        };
        device.ok_or_else(|| Error::usage(format!("'{text}' is not a device")).help("give cpu, cuda or cuda:N"))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// The engines, by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// Along the edges, on the CPU.
    #[default]
    Sparse,
    /// With all weights, on the CPU or a GPU.
    Dense,
}

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
    /// As [`Backend::check`]; a state that does not fit the model; threads or a device that cannot be started.
    pub fn engine(
        self,
        spec: ModelSpec,
        state: ModelState,
        options: TrainOptions,
        max_batch: usize,
        threads: usize,
    ) -> Result<Box<dyn Engine>> {
        match self {
            Self::Sparse => Ok(Box::new(SparseEngine::new(spec, state, options, max_batch, threads)?)),
            Self::Dense(device) => dense::engine(device, spec, state, options, max_batch),
        }
    }

    /// Repairs every layer of a state, as [`crate::init::ortho_repair`] does; returns what was achieved for each.
    ///
    /// # Errors
    /// As [`Backend::check`], and those of the device.
    ///
    /// # Panics
    /// If the state is not one of this model.
    pub fn ortho_repair(self, spec: &ModelSpec, state: &mut ModelState, repair: OrthoRepair) -> Result<Vec<OrthoRepaired>> {
        match self {
            Self::Sparse => Ok(crate::init::ortho_repair(spec, state, repair)),
            Self::Dense(device) => dense::ortho_repair(device, spec, state, repair),
        }
    }
}

/// The dense engine of a build that has none.
#[cfg(not(feature = "dense"))]
mod without_dense {
    use super::{Device, Engine, Error, ModelSpec, ModelState, OrthoRepair, OrthoRepaired, Result, TrainOptions};

    fn missing() -> Error {
        Error::usage("this program was built without the dense engine")
            .help("build it with default features, or leave --engine out")
    }

    pub(super) fn check(_: Device) -> Result<()> {
        Err(missing())
    }

    pub(super) fn engine(_: Device, _: ModelSpec, _: ModelState, _: TrainOptions, _max_batch: usize) -> Result<Box<dyn Engine>> {
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
    fn devices_are_read_as_they_are_written() {
        for (text, device, written) in [
            ("cpu", Device::Cpu, "cpu"),
            ("CPU", Device::Cpu, "cpu"),
            ("cuda", Device::Cuda(0), "cuda:0"),
            ("cuda:0", Device::Cuda(0), "cuda:0"),
            ("Cuda:12", Device::Cuda(12), "cuda:12"),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device, "{text}");
            assert_eq!(device.to_string(), written);
            assert_eq!(written.parse::<Device>().unwrap(), device);
        }
        for wrong in ["gpu", "", "cuda:", "cuda:+1", "cuda:-1", "cuda:x", "cuda0", "cpu:0", "cuda:99999999999999999999"] {
            let error = wrong.parse::<Device>().unwrap_err();
            assert_eq!(error.what(), format!("'{wrong}' is not a device"));
            assert_eq!(error.help_text(), Some("give cpu, cuda or cuda:N"));
        }
    }

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
