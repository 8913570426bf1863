//! Orthogonal repair against an independent double-precision implementation.

use serde::Deserialize;
use shared::graph::{LayerShape, Mask};
use shared::init::{OrthoRepair, ortho_repair_edges};

const GOLDEN: &str = include_str!("../golden/ortho_repair.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    shape: Vec<usize>,
    /// Dense; only those at edges matter.
    weights: Vec<f64>,
    mask: Vec<u8>,
    learning_rate: f64,
    iterations: usize,
    /// Iterations done, ‖B·Bᵀ − I‖.
    losses: Vec<(usize, f64)>,
    final_weights: Vec<f64>,
}

impl Case {
    fn mask(&self) -> Mask {
        let shape = match self.shape[..] {
            [out, inp] => LayerShape::linear(out, inp),
            [out, inp, h, w] => LayerShape::conv(out, inp, [h, w]),
            _ => panic!("{}: shape {:?}", self.name, self.shape),
        };
        Mask::from_positions(shape, (0..self.mask.len()).filter(|&p| self.mask[p] == 1))
    }
}

/// Steps have a length of about the learning rate however near the optimum is. So the wide cases end by bouncing around it, where
/// rounding decides the path: there only the level of the loss can be compared. Accumulated gradients would already be
/// off by 0.2 after 50 iterations.
#[test]
fn losses_and_weights_are_those_of_plain_descent() {
    for case in serde_json::from_str::<Vec<Case>>(GOLDEN).unwrap() {
        let mask = case.mask();
        let wide = case.shape[0] <= case.shape[1..].iter().product();
        for &(iterations, loss) in &case.losses {
            let mut weights: Vec<f64> = mask.iter().map(|p| case.weights[p]).collect();
            let got = ortho_repair_edges(&mask, 1, &mut weights, OrthoRepair { learning_rate: case.learning_rate, iterations });
            let place = format!("{} after {iterations}", case.name);
            assert!((got.before - case.losses[0].1).abs() < 1e-12, "{place}: {}", got.before);
            if wide && iterations > 100 {
                assert!(got.after < 0.05 && (got.after - loss).abs() < 0.01, "{place}: {} instead of {loss}", got.after);
                continue;
            }
            assert!((got.after - loss).abs() < 1e-12, "{place}: {} instead of {loss}", got.after);
            if iterations == case.iterations {
                let worst = mask.iter().zip(&weights).map(|(p, w)| (w - case.final_weights[p]).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-12, "{place}: weights differ by {worst}");
            }
        }
    }
}

#[test]
fn more_rows_than_columns_end_at_the_best_possible_distance() {
    let cases: Vec<Case> = serde_json::from_str(GOLDEN).unwrap();
    let case = cases.iter().find(|c| c.name.starts_with("tall_12x5")).unwrap();
    let mask = case.mask();
    let mut weights: Vec<f64> = mask.iter().map(|p| case.weights[p]).collect();
    let got = ortho_repair_edges(&mask, 1, &mut weights, OrthoRepair::default());
    assert!((got.after - 7.0_f64.sqrt()).abs() < 1e-8, "{}", got.after);
}
