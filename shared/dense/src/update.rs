//! The optimisers, in operations of dfdx. Its own hide their state.

use dfdx::prelude::*;

use super::{Processor, Try, scalar};
use er_engine::{Optimizer, StepOptions};

/// Moves values by one step (`step` counts from 1). Where gradient, values and state are 0 they stay 0.
pub(super) fn descend<S: Shape, E: Dtype, D: Processor<E>>(
    options: &StepOptions,
    lr: f64,
    step: u64,
    values: &mut Tensor<S, E, D>,
    mut gradient: Tensor<S, E, D>,
    slots: &mut [Tensor<S, E, D>],
) -> Try<(), D> {
    gradient.try_axpy(1.0, values, options.weight_decay)?;
    match (options.optimizer, slots) {
        (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
            velocity.try_axpy(momentum, &gradient, 1.0)?;
            if nesterov {
                gradient.try_axpy(1.0, velocity, momentum)?;
                values.try_axpy(1.0, &gradient, -lr)
            } else {
                values.try_axpy(1.0, velocity, -lr)
            }
        }
        (Optimizer::Sgd { .. }, _) => values.try_axpy(1.0, &gradient, -lr),
        (Optimizer::Adam, [first, second]) => {
            let [b1, b2] = [0.9_f64, 0.999];
            let [c1, c2] = [b1, b2].map(|beta| 1.0 - beta.powf(step as f64));
            first.try_axpy(b1, &gradient, 1.0 - b1)?;
            second.try_axpy(b2, &gradient.try_square()?, 1.0 - b2)?;
            let root = second.clone().try_sqrt()?.try_div(scalar::<E>(c2.sqrt()))?.try_add(scalar::<E>(1e-8))?;
            values.try_axpy(1.0, &first.clone().try_div(root)?, -lr / c1)
        }
        (Optimizer::Adam, _) => unreachable!("Adam has two slots"),
    }
}

/// Moves running statistics: 0.9 of the old and 0.1 of the new.
pub(super) fn average<S: Shape, E: Dtype, D: Processor<E>>(
    running: &mut Tensor<S, E, D>,
    batch: &Tensor<S, E, D>,
    factor: f64,
) -> Try<(), D> {
    running.try_axpy(0.9, batch, 0.1 * factor)
}
