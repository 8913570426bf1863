//! Single updates against the vectors of the published programs, and what every rule must keep.

use crate::golden::{flat, golden};
use proptest::prelude::*;
use serde_json::Value;
use shared::graph::{LayerShape, LayerState, Mask, Sampling, sample};
use shared::registry::{Door, Selected};
use shared::rng::{Purpose, stream};
use shared::schedule::decay::{Constant, Cosine, InversePower, Linear};
use shared::schedule::{Decay, DropFraction, FallingDensity, Length, Span};
use shared::topology::rule::drop::Magnitude;
use shared::topology::rule::grow::{Gradient, Momentum};
use shared::topology::rule::{
    Count, Drop, DropScope, DropScore, Evidence, Exchange, GrowRule, GrownValue, LayerChange, Memory, MomentumKind, Network,
    NetworkScores, Prune, PruneScope, PruneScore, Redistribute, Rule, Share, When, proportional, shares, update,
};
use shared::train::method_named;

fn dims(v: &Value) -> LayerShape {
    match flat(v).iter().map(|d| *d as usize).collect::<Vec<_>>()[..] {
        [out, inp] => LayerShape::linear(out, inp),
        [out, inp, kh, kw] => LayerShape::conv(out, inp, [kh, kw]),
        _ => panic!("shape {v}"),
    }
}

fn layer(shape: LayerShape, mask: &[f64], weights: &[f64], slots: &[&[f64]]) -> LayerState<f64> {
    let mask = Mask::from_positions(shape, (0..mask.len()).filter(|p| mask[*p] == 1.0));
    let on_edges = |values: &[f64]| mask.iter().map(|p| values[p]).collect::<Vec<_>>();
    LayerState { weights: on_edges(weights), slots: slots.iter().map(|s| on_edges(s)).collect(), mask }
}

/// A layer's values at all positions.
fn dense(mask: &Mask, values: &[f64]) -> Vec<f64> {
    let mut dense = vec![0.0; mask.shape().weights()];
    mask.iter().zip(values).for_each(|(p, v)| dense[p] = *v);
    dense
}

fn bits(mask: &Mask) -> Vec<f64> {
    dense(mask, &vec![1.0; mask.edges()])
}

const ALWAYS: When = When { interval: 1, begin: 0, end: None, accumulate: 1 };

fn rigl(fraction: f64) -> Exchange {
    Exchange {
        drop: Drop { by: Selected::new(&Magnitude), count: Count::Floor },
        grow: Selected::new(&Gradient),
        redistribute: Redistribute::None,
        fraction: DropFraction { initial: fraction, floor: 0.0, decay: Selected::new(&Constant), end: 1 },
        value: GrownValue::Zero,
        regrown_keeps: true,
    }
}

fn rule(exchange: &Exchange) -> Rule {
    Rule { prune: None, exchange: Some(*exchange), when: ALWAYS, replaces_step: true, keeps_flow: false }
}

fn apply(rule: &Rule, layers: &mut [LayerState<f64>], gradients: Vec<Vec<f64>>, memory: &mut Memory<f64>) -> Vec<LayerChange> {
    let network = Network { movable: vec![true; layers.len()], groups: vec![1; layers.len()], seed: 3 };
    update(rule, 1, &network, layers, &mut Evidence { gradients, ..Evidence::default() }, memory)
}

#[test]
fn updates_of_rigl() {
    let golden = golden("mask_update_vectors.json");
    for case in golden["cases"].as_array().unwrap() {
        let (mask, weights, velocity) = (flat(&case["mask"]), flat(&case["weight"]), flat(&case["momentum"]));
        let fraction = case["drop_fraction"].as_f64().unwrap();
        let before = layer(dims(&case["shape"]), &mask, &weights, &[&velocity]);
        let ceil =
            Exchange { drop: Drop { count: Count::CeilAndTies, ..rigl(fraction).drop }, regrown_keeps: false, ..rigl(fraction) };
        let zero = Exchange { regrown_keeps: false, ..rigl(fraction) };
        // Only weights and masks of rigl-reproducibility: it keeps the velocity of an edge that goes and comes back.
        for (name, exchange, velocities) in [
            ("reference_keep", rigl(fraction), true),
            ("rigl_torch_actual", rigl(fraction), true),
            ("reference_zero", zero, true),
            ("reference_ceil_zero", ceil, true),
            ("rigl_reproducibility_actual", ceil, false),
        ] {
            let what = format!("case {} {name}", case["id"]);
            let want = &case["expected"][name];
            let mut layers = [before.clone()];
            let mut memory = Memory::new(&layers);
            let change = apply(&rule(&exchange), &mut layers, vec![flat(&case["grad"])], &mut memory)[0];
            let [after] = layers;
            assert_eq!(bits(&after.mask), flat(&want["mask"]), "{what}");
            assert_eq!(dense(&after.mask, &after.weights), flat(&want["weight"]), "{what}");
            if velocities {
                assert_eq!(dense(&after.mask, &after.slots[0]), flat(&want["momentum"]), "{what}");
            }
            if let Some(dropped) = want["n_drop"].as_u64() {
                let returned = want["regrown_same"].as_array().unwrap().len();
                assert_eq!((change.dropped as u64, change.returned), (dropped, returned), "{what}");
            }
        }
    }
}

#[test]
fn edges_that_die_by_magnitude() {
    for case in golden("drop_and_grow.json")["magnitude_death"].as_array().unwrap() {
        let (mut weights, mut mask) = (flat(&case["weight_after_mask"]), flat(&case["mask"]));
        // One more unit, without edges: a full layer would be left alone.
        let [units, inputs] = [&case["mask"], &case["mask"][0]].map(|v| v.as_array().unwrap().len());
        let shape = LayerShape::linear(units + 1, inputs);
        weights.resize(shape.weights(), 0.0);
        mask.resize(shape.weights(), 0.0);
        let mut layers = [layer(shape, &mask, &weights, &[])];
        let rate = case["rate"].as_f64().unwrap();
        // Growth at random may bring edges back, so what died is read from the count and from what certainly stayed.
        let exchange = Exchange { drop: Drop { count: Count::CeilAndTies, ..rigl(rate).drop }, ..rigl(rate) };
        let mut gradient: Vec<f64> = flat(&case["new_mask"]).iter().map(|kept| 1.0 - kept).collect();
        gradient.resize(shape.weights(), 0.0);
        let mut memory = Memory::new(&layers);
        let change = apply(&rule(&exchange), &mut layers, vec![gradient], &mut memory)[0];
        assert_eq!(change.dropped as u64, case["to_regrow"].as_u64().unwrap(), "{}", case["tag"]);
        let kept = flat(&case["new_mask"]);
        assert!((0..kept.len()).all(|p| kept[p] == 0.0 || layers[0].mask.contains(p)), "{}", case["tag"]);
        assert_eq!(layers[0].mask.edges() as u64, case["nnz"].as_u64().unwrap(), "{}", case["tag"]);
    }
}

/// Grows `k` edges beside those of a mask: drops none and replaces as many as a hidden second layer loses.
fn grown(
    mask: &[f64],
    shape: LayerShape,
    k: usize,
    grow: &'static dyn GrowRule,
    gradient: &[f64],
    momentum: Option<[&[f64]; 2]>,
) -> Vec<f64> {
    // A weight of 0 dies and leaves room for one edge elsewhere; the donor's own positions have no score.
    let donor = LayerShape::linear(1, 100);
    let zeros = Mask::from_positions(donor, 0..k);
    let donor_state = LayerState { weights: vec![0.0; k], slots: Vec::new(), mask: zeros };
    let ones = vec![1.0; mask.len()];
    let mut layers = [layer(shape, mask, &ones, &[]), donor_state];
    let mut memory = Memory::new(&layers);
    if let Some([first, second]) = momentum {
        memory.layers[0].momentum.first = first.to_vec();
        memory.layers[0].momentum.second = second.to_vec();
        memory.layers[1].momentum.first = vec![0.0; 100];
    }
    let exchange = Exchange {
        drop: Drop { count: Count::CeilAndTies, ..rigl(0.0).drop },
        grow: Selected::new(grow),
        redistribute: Redistribute::Magnitude,
        ..rigl(0.0)
    };
    apply(&rule(&exchange), &mut layers, vec![gradient.to_vec(), vec![0.0; 100]], &mut memory);
    bits(&layers[0].mask)
}

#[test]
fn edges_that_grow() {
    let golden = golden("drop_and_grow.json");
    let shape = LayerShape::linear(3, 4);
    let cases: [(&str, &'static dyn GrowRule); 3] =
        [("gradient_growth", &Gradient), ("momentum_growth_sgd", &Momentum), ("momentum_growth_adam", &Momentum)];
    for (name, grow) in cases {
        let of = &golden[name];
        let [gradient, momentum, first, second] = ["grad", "momentum", "exp_avg", "exp_avg_sq"].map(|k| of.get(k).map(flat));
        let gradient = gradient.unwrap_or_else(|| vec![0.0; 12]);
        let momentum = momentum.or(first);
        let momentum = momentum.as_ref().map(|m| [&m[..], second.as_deref().unwrap_or_default()]);
        for case in of["cases"].as_array().unwrap() {
            let k = case["k"].as_u64().unwrap() as usize;
            // At most 0.99 of the free positions are given at once; the case that fills the layer is left to the count below.
            let free = flat(&of["mask_in"]).iter().filter(|m| **m == 0.0).count();
            if k < free {
                let got = grown(&flat(&of["mask_in"]), shape, k, grow, &gradient, momentum);
                assert_eq!(got, flat(&case["mask"]), "{name} {k}");
            }
        }
    }
}

#[test]
fn schedules() {
    let golden = golden("rigl_schedules.json");
    let drop = &golden["schedules"]["drop_fraction"];
    for point in drop["points"].as_array().unwrap() {
        let t = point["t"].as_u64().unwrap();
        let plain = |decay: &'static dyn Decay| Selected::new(decay);
        for (name, decay) in [
            ("constant", plain(&Constant)),
            ("cosine", plain(&Cosine)),
            ("linear_k1", plain(&Linear)),
            ("inverse_power_k3", plain(&InversePower).with("k", 3.0).unwrap()),
        ] {
            let f = DropFraction { initial: 0.3, floor: 0.0, decay, end: drop["T_end"].as_u64().unwrap() };
            assert!((f.at(t) - point[name].as_f64().unwrap()).abs() < 1e-12, "{name} at {t}: {}", f.at(t));
        }
    }
    let zhu = &golden["schedules"]["zhu_gupta"];
    let [begin, end] = ["t0", "t1"].map(|k| zhu[k].as_u64().unwrap());
    let density = FallingDensity::by_steps([1.0, 0.2], begin, end);
    for point in zhu["points"].as_array().unwrap() {
        let (t, sparsity) = (point["t"].as_u64().unwrap(), point["sparsity"].as_f64().unwrap());
        let got = density.at(t).map_or(0.0, |d| 1.0 - d);
        assert!((got - sparsity).abs() < 1e-12, "sparsity at {t}: {got}, expected {sparsity}");
    }
    let timing = &golden["timing"]["rigl_torch"];
    let when = When { interval: 5, begin: 0, end: Some(15), accumulate: 2 };
    let steps = |is: &dyn Fn(u64) -> bool| (1..=20).filter(|t| is(*t)).collect::<Vec<u64>>();
    assert_eq!(serde_json::json!(steps(&|t| when.is_update(t))), timing["updates"]);
    // rigl-torch also gathers at 14 and 15, for an update that does not come.
    let gathers = timing["accumulating_backward_calls"].as_array().unwrap();
    assert_eq!(serde_json::json!(steps(&|t| when.gathers(t))), serde_json::json!(gathers[..4]));
}

#[test]
fn densities_and_rates_of_granet() {
    let golden = golden("dst_schedules.json");
    for (name, case) in golden.as_object().unwrap() {
        let number = |k: &str| case[k].as_u64().unwrap();
        let (_, densities) = name.split_once("/init").unwrap();
        let (first, last) = densities.split_once("_final").unwrap();
        let mut method = method_named("GraNet").unwrap();
        method.densities = [first.parse().unwrap(), last.parse().unwrap()];
        method.interval = Span::Steps(number("update_frequency"));
        let prune = method.prune.as_mut().unwrap();
        prune.ends = [number("init_prune_epoch"), number("final_prune_epoch")].map(Span::epochs);
        let length = Length { batches_per_epoch: number("iters_per_epoch"), epochs: number("epochs"), multiplier: 1 };
        let rule = method.rule(length).unwrap().unwrap();
        let (density, fraction) = (rule.prune.as_ref().unwrap().density, rule.exchange.as_ref().unwrap().fraction);
        let mut last = f64::NAN;
        for row in case["rows"].as_array().unwrap() {
            let step = row[0].as_u64().unwrap();
            assert!(rule.when.is_update(step));
            let got = density.at(step);
            assert_eq!(got.is_some(), row[1].is_f64(), "{name} at {step}");
            if let (Some(got), Some(want)) = (got, row[1].as_f64()) {
                assert!((got - want).abs() < 1e-12, "{name}: density {got} at {step}, expected {want}");
                last = got;
            }
            // Published rates were accumulated in steps of the optimiser's scheduler, to 1e-6.
            assert!((fraction.at(step) - row[2].as_f64().unwrap()).abs() < 1e-6, "{name} at {step}");
        }
        assert!((last - case["last_pruned_density"].as_f64().unwrap()).abs() < 1e-12, "{name}");
        let reaching = FallingDensity { reaches: true, ..density };
        let interval = rule.when.interval;
        let end = density.last_update(interval);
        assert_eq!(reaching.at(end), Some(density.last), "{name}");
        assert_eq!(reaching.at(end - interval), density.at(end - interval), "{name}");
    }
}

#[test]
fn pruning_begins_and_ends_with_its_schedule() {
    let length = Length { batches_per_epoch: 10, epochs: 20, multiplier: 1 };
    let steps = |name: &str, epochs: [u64; 2]| {
        let mut method = method_named(name).unwrap();
        method.interval = Span::Steps(7);
        if let Some(prune) = &mut method.prune {
            prune.ends = epochs.map(Span::epochs);
        }
        let rule = method.rule(length).unwrap().unwrap();
        let updates: Vec<u64> = (1..=200).filter(|t| rule.when.is_update(*t)).collect();
        let targets = updates.iter().filter(|t| rule.prune.as_ref().unwrap().density.at(**t).is_some()).count();
        (updates[0], *updates.last().unwrap(), targets == updates.len())
    };
    // Updates 4 to 12 of 7 steps lie between steps 30 and 90.
    assert_eq!(steps("GMP", [3, 9]), (35, 77, true));
    assert_eq!(steps("GMP_uniform", [3, 9]), (35, 84, true));
    assert_eq!(steps("GraNet", [3, 9]), (35, 196, false));
    // Three quarters of 200 steps: the update at 154 is the first at which the density may arrive.
    assert_eq!(steps("pruning", [0, 0]), (7, 154, true));
    let gmp = method_named("GMP").unwrap();
    let none = gmp.rule(Length { batches_per_epoch: 1, epochs: 20, multiplier: 1 }).unwrap_err();
    assert!(none.what().contains("the one update of every 100 steps between epochs 0 and 110"), "{none}");
    // The update after T_end = 40 is at step 60, and there are 55.
    let mut late = method_named("pruning").unwrap();
    (late.interval, late.end) = (Span::Steps(30), Some(Span::Steps(40)));
    let late = late.rule(Length { batches_per_epoch: 11, epochs: 5, multiplier: 1 }).unwrap_err();
    assert_eq!(late.what(), "the density falls until the update of step 60, but training ends after step 55");
}

#[test]
fn redistribution() {
    for (i, case) in golden("snfs_redistribution.json").as_array().unwrap().iter().enumerate() {
        let layers = ["l1", "l2", "l3"].map(|l| Share {
            statistic: case["proportion"][l].as_f64().unwrap(),
            missing: case["zeros_before_prune"][l].as_u64().unwrap() as usize,
            removed: case["removed"][l].as_u64().unwrap() as usize,
        });
        let removed: usize = layers.iter().map(|l| l.removed).sum();
        let total = removed as f64 + case["adjusted_growth"].as_f64().unwrap();
        let got = proportional(&layers, total).unwrap();
        for (l, got) in got.iter().enumerate() {
            let want = case["regrowth"][format!("l{}", l + 1)].as_f64().unwrap();
            assert!((got - want).abs() < 1e-9, "case {i}: {got}, expected {want}");
            assert_eq!(*got as u64, case["regrowth_int"][format!("l{}", l + 1)].as_u64().unwrap());
        }
        assert_eq!(shares(&layers).iter().sum::<usize>(), removed);
    }
}

fn any_grow() -> impl Strategy<Value = Selected<dyn GrowRule>> {
    prop::sample::select(<dyn GrowRule>::registry().iter().map(Selected::new).collect::<Vec<_>>())
}

fn any_redistribute() -> impl Strategy<Value = Redistribute> {
    prop::sample::select(Redistribute::CHOICES.iter().map(|c| c.value).collect::<Vec<_>>())
}

fn any_drop() -> impl Strategy<Value = Drop> {
    let kinds: Vec<_> = <dyn DropScore>::registry().iter().map(Selected::new).collect();
    (prop::sample::select(kinds), prop::sample::select(vec![Count::Floor, Count::CeilAndTies]))
        .prop_map(|(by, count)| Drop { by, count })
}

/// Layers with coarse values, so that ties and zeros are common, and everything a rule may read.
fn network(seed: u64, density: f64) -> (Vec<LayerState<f64>>, Evidence<f64>, Memory<f64>) {
    use rand::RngExt;
    let shapes =
        [LayerShape::conv(6, 3, [3, 3]), LayerShape::linear(1, 1), LayerShape::linear(12, 30), LayerShape::linear(4, 12)];
    let rng = &mut stream(seed, Purpose::Data, 0);
    let mut coarse = |n: usize| (0..n).map(|_| f64::from(rng.random_range(-3..4_i32)) / 2.0).collect::<Vec<f64>>();
    let mut layers: Vec<LayerState<f64>> = Vec::new();
    for (l, shape) in shapes.into_iter().enumerate() {
        let mask = sample(shape, density, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, l as u64));
        let edges = mask.edges();
        layers.push(LayerState { weights: coarse(edges), slots: vec![coarse(edges)], mask });
    }
    let gradients: Vec<Vec<f64>> = shapes.iter().map(|s| coarse(s.weights())).collect();
    let drop = layers.iter().map(|l| coarse(l.weights.len()).iter().map(|v| v.abs()).collect()).collect();
    let scores = NetworkScores { drop, ..NetworkScores::default() };
    let mut memory = Memory::new(&layers);
    for (memory, gradient) in memory.layers.iter_mut().zip(&gradients) {
        memory.momentum.add(MomentumKind::Sgd(0.9), gradient);
    }
    (layers, Evidence { gradients, scores }, memory)
}

proptest! {
    #[test]
    fn exchanges_keep_every_count(
        seed in 0..1000_u64, density in 0.0..=1.0_f64, fraction in 0.0..=1.0_f64,
        drop in any_drop(), grow in any_grow(), redistribute in any_redistribute(), regrown_keeps: bool,
    ) {
        let (mut layers, mut evidence, mut memory) = network(seed, density);
        let before = layers.clone();
        let rule = rule(&Exchange { drop, grow, redistribute, regrown_keeps, ..rigl(fraction) });
        let movable = vec![true, true, true, seed % 2 == 0];
        let parts = Network { movable: movable.clone(), groups: vec![1; 4], seed };
        let changes = update(&rule, 7, &parts, &mut layers, &mut evidence, &mut memory);
        let count = |layers: &[LayerState<f64>]| layers.iter().map(|l| l.mask.edges()).sum::<usize>();
        prop_assert_eq!(count(&layers), count(&before));
        for (l, (after, before)) in layers.iter().zip(&before).enumerate() {
            prop_assert_eq!(after.weights.len(), after.mask.edges());
            prop_assert_eq!(after.slots[0].len(), after.mask.edges());
            prop_assert_eq!(changes[l].edges, after.mask.edges());
            if !movable[l] {
                prop_assert_eq!(after, before);
            }
            if redistribute == Redistribute::None {
                prop_assert_eq!(after.mask.edges(), before.mask.edges());
            }
            // Growth lies beside what was kept, and begins at nothing.
            let kept = before.mask.edges() - changes[l].dropped;
            prop_assert_eq!(kept + changes[l].grown, after.mask.edges());
            let old = |values: &[f64], p: usize| before.mask.iter().zip(values).find(|(q, _)| *q == p).map(|(_, v)| *v);
            for (e, p) in after.mask.iter().enumerate() {
                let now = (after.weights[e], after.slots[0][e]);
                let before = old(&before.weights, p).zip(old(&before.slots[0], p));
                prop_assert!(before == Some(now) || now == (0.0, 0.0) && (before.is_none() || !regrown_keeps), "{p}: {before:?} {now:?}");
            }
            prop_assert!(before.mask.iter().chain(after.mask.iter()).all(|p| memory.layers[l].ever.contains(p)));
        }
        if drop.count == Count::Floor && drop.by.scope() == DropScope::Layer {
            for (change, before) in changes.iter().zip(&before).zip(&movable).filter(|(_, m)| **m).map(|(c, _)| c) {
                // All edges of a full layer would come back.
                let full = redistribute == Redistribute::None && before.mask.density() == 1.0;
                let count = if full { 0 } else { (fraction * before.mask.edges() as f64) as usize };
                prop_assert_eq!(change.dropped, count);
            }
        }
    }

    #[test]
    fn threads_do_not_matter(seed in 0..100_u64, grow in any_grow(), drop in any_drop()) {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut layers, mut evidence, mut memory) = network(seed, 0.4);
            let rule = rule(&Exchange { grow, drop, value: GrownValue::Normal(2.0), ..rigl(0.4) });
            let parts = Network { movable: vec![true; 4], groups: vec![1; 4], seed };
            pool.install(|| update(&rule, 9, &parts, &mut layers, &mut evidence, &mut memory));
            (layers, memory)
        };
        prop_assert_eq!(run(1), run(3));
    }

    #[test]
    fn pruning_leaves_what_the_schedule_says(seed in 0..1000_u64, first in 0.3..=1.0_f64, last in 0.01..0.3_f64) {
        for scope in [PruneScope::Global, PruneScope::GlobalAboveThreshold, PruneScope::Layer] {
            let (mut layers, mut evidence, mut memory) = network(seed, 1.0);
            // Distinct magnitudes: without ties the number is exact.
            let mut next = 0.0;
            for w in layers.iter_mut().flat_map(|l| &mut l.weights) {
                next += 0.37;
                *w = 1.0 + next % 1.0 + next * 1e-6;
            }
            let density = FallingDensity::by_steps([first, last], 0, 10);
            let prune = Prune { density, score: PruneScore::MAGNITUDE, scope };
            let rule = Rule { prune: Some(prune), exchange: None, when: ALWAYS, replaces_step: false, keeps_flow: false };
            let parts = Network { movable: vec![true; 4], groups: vec![1; 4], seed };
            for step in [4, 10] {
                update(&rule, step, &parts, &mut layers, &mut evidence, &mut memory);
                let weights: Vec<usize> = layers.iter().map(|l| l.mask.shape().weights()).collect();
                let edges: Vec<usize> = layers.iter().map(|l| l.mask.edges()).collect();
                let (total, d) = (weights.iter().sum::<usize>(), density.at(step).unwrap());
                let all: usize = edges.iter().sum();
                match scope {
                    PruneScope::GlobalAboveThreshold => prop_assert_eq!(all, (total as f64 * d) as usize - 1),
                    PruneScope::Global => prop_assert_eq!(all, total - ((1.0 - d) * total as f64).ceil() as usize),
                    PruneScope::Layer if d > 0.2 => {
                        prop_assert_eq!(edges, weights.iter().map(|n| (*n as f64 * d) as usize).collect::<Vec<_>>());
                    }
                    PruneScope::Layer => prop_assert_eq!(edges[3], (0.2 * weights[3] as f64) as usize),
                }
            }
        }
    }

    #[test]
    fn flow_is_kept_if_asked(seed in 0..1000_u64, grow in any_grow()) {
        let (mut layers, mut evidence, mut memory) = network(seed, 0.5);
        let before: usize = layers.iter().map(|l| l.mask.edges()).sum();
        let rule = Rule { keeps_flow: true, ..rule(&Exchange { grow, ..rigl(0.6) }) };
        let parts = Network { movable: vec![true; 4], groups: vec![1; 4], seed };
        update(&rule, 2, &parts, &mut layers, &mut evidence, &mut memory);
        for layer in &layers {
            prop_assert!(layer.mask.in_degrees().iter().chain(&layer.mask.out_degrees()).all(|d| *d > 0));
        }
        let after: usize = layers.iter().map(|l| l.mask.edges()).sum();
        // Where every edge is the last one of some unit none can be spared.
        prop_assert!(after >= before && after <= before + 4);
    }
}
