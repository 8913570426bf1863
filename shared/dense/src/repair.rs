//! Orthogonal repair as products of matrices.

use dfdx::prelude::*;

use super::{Matrices, Processor, Try, device};
use er_engine::{Device as DeviceName, ModelState};
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::init::{ORTHOGONAL, OrthoRepair, OrthoRepaired};
use er_networks::model::ModelSpec;

/// As [`er_networks::init::ortho_repair`], in float64 on a device: O(rows² · columns) an iteration whatever the density.
pub(super) fn ortho_repair<D: Processor<f64>>(
    processor: &D,
    name: DeviceName,
    spec: &ModelSpec,
    state: &mut ModelState,
    repair: OrthoRepair,
) -> Result<Vec<OrthoRepaired>> {
    assert_eq!(spec.layers().len(), state.layers.len(), "one state a layer");
    let layers = state.layers.iter_mut().zip(spec.layers());
    let repaired = layers.map(|(state, layer)| {
        let mut weights: Vec<f64> = state.weights.iter().copied().map(f64::from).collect();
        let repaired = repair_layer(processor, &state.mask, layer.groups, &mut weights, repair);
        state.weights = weights.into_iter().map(|w| w as f32).collect();
        repaired
    });
    repaired.collect::<Try<_, D>>().map_err(|e| device::failed(&e, name))
}

/// Rows of different groups share no column, so E = B·Bᵀ − I is computed group by group.
fn repair_layer<D: Processor<f64>>(
    processor: &D,
    mask: &Mask,
    groups: usize,
    weights: &mut [f64],
    repair: OrthoRepair,
) -> Try<OrthoRepaired, D> {
    let (rows, fan_in) = (mask.shape().out / groups, mask.shape().fan_in());
    let shape = (groups, rows, fan_in);
    let upload = |value: &dyn Fn(usize) -> f64| -> Try<Matrices<f64, D>, D> {
        let mut dense = vec![0.0; mask.shape().weights()];
        for (edge, position) in mask.iter().enumerate() {
            dense[position] = value(edge);
        }
        processor.try_tensor_from_vec(dense, shape)
    };
    let (keep, mut matrix) = (upload(&|_| 1.0)?, upload(&|edge| weights[edge])?);
    let identity = (0..groups * rows * rows).map(|at| if at / rows % rows == at % rows { 1.0 } else { 0.0 }).collect();
    let identity: Matrices<f64, D> = processor.try_tensor_from_vec(identity, (groups, rows, rows))?;
    let excess = |matrix: &Matrices<f64, D>| -> Try<(Matrices<f64, D>, f64), D> {
        let transposed = matrix.clone().try_permute::<_, Axes3<0, 2, 1>>()?;
        let excess = matrix.clone().try_matmul(transposed)?.try_sub(identity.clone())?;
        let square = excess.clone().try_square()?.try_sum::<Rank0, _>()?.as_vec();
        Ok((excess, square.iter().sum::<f64>().sqrt()))
    };
    let (mut off, before) = excess(&matrix)?;
    let mut after = before;
    for _ in 0..repair.iterations {
        if after < ORTHOGONAL || weights.is_empty() {
            break;
        }
        let gradient = off.try_matmul(matrix.clone())?.try_mul(keep.clone())?;
        matrix.try_axpy(1.0, &gradient, -2.0 * repair.learning_rate / after)?;
        (off, after) = excess(&matrix)?;
    }
    let dense = matrix.as_vec();
    for (weight, position) in weights.iter_mut().zip(mask.iter()) {
        *weight = dense[position];
    }
    Ok(OrthoRepaired { before, after })
}
