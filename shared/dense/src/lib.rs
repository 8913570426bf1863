//! Networks as dense tensors, weights times masks, on dfdx: on the CPU the independent check of the sparse engine, and the road to
//! GPUs.
//!
//! Nothing here knows the sparse engine's kernels. Gradients come from dfdx's tapes (`network`), convolutions gather columns and
//! multiply matrices (`ops`, `windows`), and parameters, optimiser state and masks stay on the device: a training step copies
//! images and labels there, and logits back.

mod device;
mod engine;
mod loss;
mod network;
mod ops;
mod repair;
#[cfg(test)]
mod tests;
mod update;
mod windows;

pub use dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
pub use dfdx::prelude::Cuda;
use dfdx::prelude::{Cache, Device as Operations, Dtype, HasErr, NoneTape, Tensor};

#[cfg(feature = "cuda")]
pub use self::device::cuda;
pub use self::engine::DenseEngine;
use er_engine::{Device, Engine, ModelState, StepOptions};
use er_graphs::error::Result;
use er_networks::init::{OrthoRepair, OrthoRepaired};
use er_networks::model::ModelSpec;

/// A device of dfdx with everything that networks need.
pub trait Processor<E: Dtype>: Operations<E> + Cache {}

impl<E: Dtype, D: Operations<E> + Cache> Processor<E> for D {}

/// Activations, `(channel, pixel, sample)`.
type Images<E, D, T = NoneTape> = Tensor<(usize, usize, usize), E, D, T>;

/// Weights, `(group of channels, output channel of the group, input channel and place in the window)`.
type Matrices<E, D, T = NoneTape> = Tensor<(usize, usize, usize), E, D, T>;

/// One value a channel.
type Vector<E, D, T = NoneTape> = Tensor<(usize,), E, D, T>;

/// Mean and variance, or scale and shift.
type Pair<E, D, T = NoneTape> = [Vector<E, D, T>; 2];

/// What a device computed, or how it failed.
type Try<T, D> = std::result::Result<T, <D as HasErr>::Err>;

/// A number as a device computes with it.
fn scalar<E: Dtype>(value: f64) -> E {
    E::from_f64(value).unwrap_or_default()
}

/// Whether this build has the device and it is there.
pub fn check(device: Device) -> Result<()> {
    match device {
        Device::Cpu => Ok(()),
        Device::Cuda(number) => device::cuda(number).map(drop),
    }
}

/// An engine on a device, in single precision.
pub fn engine(
    device: Device,
    spec: ModelSpec,
    state: ModelState,
    options: StepOptions,
    max_batch: usize,
) -> Result<Box<dyn Engine>> {
    match device {
        Device::Cpu => Ok(Box::new(DenseEngine::<f32, _>::new(spec, state, options, max_batch)?)),
        Device::Cuda(number) => {
            Ok(Box::new(DenseEngine::<f32, _>::on(device::cuda(number)?, device, spec, state, options, max_batch)?))
        }
    }
}

/// [`er_networks::init::ortho_repair`] on a device.
pub fn ortho_repair(device: Device, spec: &ModelSpec, state: &mut ModelState, repair: OrthoRepair) -> Result<Vec<OrthoRepaired>> {
    match device {
        Device::Cpu => repair::ortho_repair(&Cpu::default(), device, spec, state, repair),
        Device::Cuda(number) => repair::ortho_repair(&device::cuda(number)?, device, spec, state, repair),
    }
}
