//! `ER_flow`: random masks whose edges start only at units that are fed.

use super::{LayerMasks, MaskGenerator, MaskRequest};
use crate::model::{ModelSpec, Op};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerShape, Mask, sample_count};
use er_graphs::registry::Named;

/// Masks in which layer l keeps ⌊dN⌋ edges at random among the positions whose input has an incoming edge in the layer before,
/// or all of these positions if they are fewer. The first layer's inputs are all fed. A feature of a linear layer that reads a
/// map belongs to the channel it comes from. For plain chains of ungrouped layers.
#[derive(Debug, Clone, Copy)]
pub struct ErFlow;

impl Named for ErFlow {
    fn name(&self) -> &'static str {
        "ER_flow"
    }

    fn about(&self) -> &'static str {
        "uniform, with edges only from inputs that the layer before feeds; plain chains only"
    }
}

impl MaskGenerator for ErFlow {
    fn check(&self, model: &ModelSpec) -> Result<()> {
        check_chain(model)
    }

    fn draw(&self, request: &MaskRequest<'_>, _: &[f64]) -> Result<LayerMasks> {
        let mut masks: Vec<Mask> = Vec::with_capacity(request.dense.len());
        for (l, shape) in request.shapes().enumerate() {
            if request.dense[l] {
                masks.push(Mask::full(shape));
                continue;
            }
            let fed = masks.last().map_or_else(|| (0..shape.inp).collect(), |m| fed_inputs(m, shape));
            // Positions among fed inputs alone are those of a smaller layer.
            let small = LayerShape { inp: fed.len(), ..shape };
            let count = ((request.density.get() * shape.weights() as f64) as usize).min(small.weights());
            let chosen = sample_count(small, count, &mut request.stream(l));
            let taps = shape.taps();
            masks.push(Mask::from_positions(
                shape,
                chosen.iter().map(|p| {
                    let (output, column) = (p / small.fan_in(), p % small.fan_in());
                    (output * shape.inp + fed[column / taps]) * taps + column % taps
                }),
            ));
        }
        Ok(request.at_one_density(masks))
    }
}

/// Inputs of a layer of this shape that have an edge into their channel in the layer before.
fn fed_inputs(before: &Mask, shape: LayerShape) -> Vec<usize> {
    let degrees = before.in_degrees();
    let features_per_channel = shape.inp / degrees.len();
    (0..shape.inp).filter(|i| degrees[i / features_per_channel] > 0).collect()
}

/// Refuses a model that is not a plain chain of ungrouped layers.
fn check_chain(model: &ModelSpec) -> Result<()> {
    let obstacle = model.nodes().iter().enumerate().skip(1).find_map(|(k, node)| match node.op {
        Op::Add => Some(format!("it adds two branches at {}", node.name)),
        Op::Conv { groups, .. } if groups > 1 => Some(format!("{} has {groups} groups", node.name)),
        _ if node.inputs != [k - 1] => Some(format!("it branches before {}", node.name)),
        _ => None,
    });
    match obstacle {
        Some(why) => {
            Err(Error::usage(format!("initial mask ER_flow needs a plain chain of layers, and {} is none: {why}", model.name()))
                .help("choose uniform with flow preservation, or a model without shortcuts (vgg, lenet, conv, mlp)"))
        }
        None => Ok(()),
    }
}
