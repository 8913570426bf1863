//! What a pruned network begins the next level with.

use super::with_signs;
use crate::model::{ModelSpec, ModelState, ParamKind};
use crate::topology::rule::places;
use er_graphs::graph::LayerState;
use er_graphs::names::{self, Choice};
use std::borrow::Cow;

/// What goes back to the first values before the next level. The learning rate always does; with every choice but [`Reset::None`],
/// so does the optimiser's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// Nothing: learning-rate rewinding (Renda et al. 2020).
    #[default]
    None,
    /// Everything that is trained: iterative magnitude pruning (Frankle and Carbin 2019). Running statistics stay.
    Weights,
    /// Normalisations, running statistics included.
    Norms,
    /// As [`Reset::Weights`], but weights of edges keep their trained signs.
    Amplitude,
    /// The signs of the weights of edges.
    Signs,
    /// As [`Reset::Weights`], but weights of edges get their signs from another network.
    OtherSigns,
}

impl Reset {
    /// All resets with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::None, name: "none", aliases: &["lrr"], about: "nothing but the learning rate" },
        Choice {
            value: Self::Weights,
            name: "weights",
            aliases: &["imp"],
            about: "weights, biases, scales and shifts, and the optimiser",
        },
        Choice {
            value: Self::Norms,
            name: "norms",
            aliases: &["only-bn"],
            about: "scales, shifts and running statistics of normalisations, and the optimiser",
        },
        Choice {
            value: Self::Amplitude,
            name: "amplitude",
            aliases: &["weight-amplitude"],
            about: "as weights, but trained signs stay",
        },
        Choice {
            value: Self::Signs,
            name: "signs",
            aliases: &["only-weight-sign"],
            about: "signs of weights, and the optimiser; trained magnitudes stay",
        },
        Choice {
            value: Self::OtherSigns,
            name: "other-signs",
            aliases: &["weight-sign"],
            about: "as weights, but signs are those of another run",
        },
    ];

    /// Whether parameters of this kind go back, signs left aside.
    fn restores(self, kind: ParamKind) -> bool {
        match self {
            Self::None | Self::Signs => false,
            Self::Weights | Self::Amplitude | Self::OtherSigns => kind.trained(),
            Self::Norms => matches!(kind, ParamKind::Scale | ParamKind::Shift | ParamKind::Mean | ParamKind::Variance),
        }
    }
}

names::named!(Reset, "reset");

/// Takes a network back to its first values as far as `how` says; its edges stay. `first` has all of them and perhaps more. The
/// optimiser's state and the count of steps become those of `first`. A weight whose sign is taken from a weight of 0 becomes 0.
///
/// `signs` are the layers that [`Reset::OtherSigns`] reads. Returns how many edges they lack, which keep the first sign.
///
/// # Panics
/// If the states are not of this model, `first` lacks an edge, or there are no `signs` to read.
pub fn reset(state: &mut ModelState, first: &ModelState, spec: &ModelSpec, how: Reset, signs: Option<&[LayerState]>) -> usize {
    if how == Reset::None {
        return 0;
    }
    assert_eq!([state.layers.len(), first.layers.len()], [spec.layers().len(); 2], "states of one model");
    assert!(how != Reset::OtherSigns || signs.is_some(), "a network to read signs from");
    let signs = match how {
        Reset::Amplitude => Some(Cow::Owned(state.layers.clone())),
        Reset::Signs => Some(Cow::Borrowed(first.layers.as_slice())),
        Reset::OtherSigns => signs.map(Cow::Borrowed),
        Reset::None | Reset::Weights | Reset::Norms => None,
    };
    for (l, (layer, first)) in state.layers.iter_mut().zip(&first.layers).enumerate() {
        let from: Vec<usize> = places(&layer.mask, &first.mask).flatten().collect();
        assert_eq!(from.len(), layer.mask.edges(), "the first network has all edges of layer {l}");
        let pick = |values: &Vec<f32>| from.iter().map(|e| values[*e]).collect();
        if how.restores(ParamKind::Weight(l)) {
            layer.weights = pick(&first.weights);
        }
        layer.slots = first.slots.iter().map(pick).collect();
    }
    let kinds = spec.dense_parameters().map(|p| p.kind);
    for ((dense, first), kind) in state.dense.iter_mut().zip(&first.dense).zip(kinds) {
        if how.restores(kind) {
            dense.values.clone_from(&first.values);
        }
        dense.slots.clone_from(&first.slots);
    }
    state.steps = first.steps;
    signs.map_or(0, |signs| with_signs(&mut state.layers, &signs))
}

#[cfg(test)]
mod tests {
    use super::super::tests::layer;
    use super::*;
    use crate::model::{DefaultInit, DenseState, Image, Op};
    use er_graphs::graph::LayerShape;

    fn spec() -> ModelSpec {
        let mut spec = ModelSpec::new("net", Image::new(2, 1, 1), DefaultInit::FanInUniform);
        let mut push = |name: &str, op, input| spec.push(name, op, &[input]).unwrap();
        let a = push("a", Op::Linear { shape: LayerShape::linear(2, 2), bias: true }, 0);
        let norm = push("norm", Op::BatchNorm { affine: true }, a);
        push("b", Op::Linear { shape: LayerShape::linear(1, 2), bias: true }, norm);
        spec
    }

    /// A state whose dense parameters are all this value, with velocities of it where they are trained.
    fn state(layers: [LayerState; 2], value: f32, slots: bool, steps: u64) -> ModelState {
        let parameters = spec().dense_parameters();
        let dense = parameters.map(|p| DenseState {
            values: vec![value; p.len()],
            slots: if slots && p.kind.trained() { vec![vec![value; p.len()]] } else { Vec::new() },
            name: p.name,
        });
        ModelState { dense: dense.collect(), layers: layers.into(), steps }
    }

    fn first() -> ModelState {
        state([layer(2, 2, &[(0, 1.0), (1, -2.0), (2, 3.0), (3, 0.0)]), layer(1, 2, &[(0, -4.0), (1, 5.0)])], 1.0, true, 7)
    }

    fn trained() -> ModelState {
        state([layer(2, 2, &[(0, -10.0), (2, 30.0), (3, 40.0)]), layer(1, 2, &[(0, 0.0)])], 2.0, true, 100)
    }

    /// Weights of both layers, and the values of bias, scale, shift, mean, variance and bias.
    fn after(how: Reset, first: &ModelState, signs: Option<&[LayerState]>) -> (ModelState, [Vec<f32>; 2], Vec<f32>) {
        let mut state = trained();
        reset(&mut state, first, &spec(), how, signs);
        let masks = |s: &ModelState| s.layers.iter().map(|l| l.mask.clone()).collect::<Vec<_>>();
        assert_eq!(masks(&state), masks(&trained()));
        let weights = [state.layers[0].weights.clone(), state.layers[1].weights.clone()];
        let dense = state.dense.iter().map(|d| d.values[0]).collect();
        (state, weights, dense)
    }

    #[test]
    fn each_reset_restores_what_it_says() {
        let other = [layer(2, 2, &[(0, -1.0), (2, -1.0)]), layer(1, 2, &[(0, 1.0)])];
        let (new, old) = (2.0, 1.0);
        let affine = vec![old, old, old, new, new, old];
        for (how, first_layer, second, dense) in [
            (Reset::None, [-10.0, 30.0, 40.0], 0.0, vec![new; 6]),
            (Reset::Weights, [1.0, 3.0, 0.0], -4.0, affine.clone()),
            (Reset::Norms, [-10.0, 30.0, 40.0], 0.0, vec![new, old, old, old, old, new]),
            // The trained sign of the second layer's edge is 0.
            (Reset::Amplitude, [-1.0, 3.0, 0.0], 0.0, affine.clone()),
            // The first sign of the last edge is 0.
            (Reset::Signs, [10.0, 30.0, 0.0], 0.0, vec![new; 6]),
            (Reset::OtherSigns, [-1.0, -3.0, 0.0], 4.0, affine),
        ] {
            let (state, weights, values) = after(how, &first(), Some(&other));
            assert_eq!((&weights, &values), (&[first_layer.to_vec(), vec![second]], &dense), "{how}");
            if how == Reset::None {
                assert_eq!(state, trained());
                continue;
            }
            assert_eq!(state.steps, 7, "{how}");
            assert_eq!(
                (&state.layers[0].slots, &state.layers[1].slots),
                (&vec![vec![10.0, 30.0, 0.0]], &vec![vec![-40.0]]),
                "{how}"
            );
            assert!(state.dense.iter().zip(&first().dense).all(|(a, b)| a.slots == b.slots), "{how}");
        }
    }

    #[test]
    fn edges_without_a_sign_elsewhere_keep_the_first_and_are_counted() {
        let mut state = trained();
        let other = [layer(2, 2, &[(2, -1.0)]), layer(1, 2, &[(1, -1.0)])];
        assert_eq!(reset(&mut state, &first(), &spec(), Reset::OtherSigns, Some(&other)), 3);
        assert_eq!((&state.layers[0].weights[..], &state.layers[1].weights[..]), (&[1.0, -3.0, 0.0][..], &[-4.0][..]));
    }

    #[test]
    fn an_optimiser_that_had_not_begun_begins_anew() {
        let mut first = first();
        first.layers.iter_mut().for_each(|l| l.slots.clear());
        first.dense.iter_mut().for_each(|d| d.slots.clear());
        let (state, ..) = after(Reset::Signs, &first, None);
        assert!(state.layers.iter().all(|l| l.slots.is_empty()) && state.dense.iter().all(|d| d.slots.is_empty()));
    }

    #[test]
    fn the_first_network_with_the_same_edges_is_itself_again() {
        let mut state = first();
        state.layers.iter_mut().for_each(|l| l.weights.iter_mut().for_each(|w| *w += 1.0));
        state.steps = 50;
        assert_eq!(reset(&mut state, &first(), &spec(), Reset::Weights, None), 0);
        assert_eq!(state, first());
    }

    #[test]
    fn names_are_parsed_back() {
        for choice in Reset::CHOICES {
            assert_eq!(choice.value.to_string().parse::<Reset>().unwrap(), choice.value);
        }
    }
}
