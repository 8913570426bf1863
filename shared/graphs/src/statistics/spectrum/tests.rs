use super::*;
use crate::graph::Sampling;
use proptest::prelude::*;

const EXACT: Accuracy = Accuracy { tolerance: 1e-11, steps: 1000 };

/// All singular values, largest first: roots of the eigenvalues of the smaller Gram matrix by Jacobi's rotations.
fn dense(graph: &Biadjacency, normalised: bool) -> Vec<f64> {
    let graph = if graph.left() <= graph.right() { graph.clone() } else { graph.clone().transposed() };
    let n = graph.left();
    let mut a = vec![vec![0.0; n]; n];
    for r in 0..graph.right() {
        let list = graph.of_right(r);
        for (i, j) in list.iter().flat_map(|i| list.iter().map(move |j| (*i as usize, *j as usize))) {
            let degrees = (graph.of_left(i).len() * graph.of_left(j).len()) as f64;
            a[i][j] += if normalised { 1.0 / (list.len() as f64 * degrees.sqrt()) } else { 1.0 };
        }
    }
    for _ in 0..30 {
        let mut off = 0.0_f64;
        for p in 0..n {
            for q in p + 1..n {
                off = off.max(a[p][q].abs());
                if a[p][q].abs() < 1e-14 {
                    continue;
                }
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (sin, cos) = angle.sin_cos();
                for row in &mut a {
                    (row[p], row[q]) = (cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
        if off < 1e-12 {
            break;
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i].max(0.0).sqrt()).collect();
    values.sort_by(|x, y| y.total_cmp(x));
    values.push(0.0);
    values
}

fn agrees(graph: &Biadjacency) {
    let (found, sigma, normalised) = (spectrum(graph, &EXACT).unwrap(), dense(graph, false), dense(graph, true));
    assert!((found.sigma1 - sigma[0]).abs() <= 1e-9 * sigma[0], "{} {}", found.sigma1, sigma[0]);
    // The Gram matrix has half of the digits near 0.
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 || (a * a - b * b).abs() <= 1e-12 * sigma[0] * sigma[0];
    assert!(near(found.sigma2, sigma[1]), "{} {}", found.sigma2, sigma[1]);
    assert!(near(1.0 - found.normalised_gap, normalised[1]), "{} {}", found.normalised_gap, normalised[1]);
    assert!(found.error <= 1e-11 && found.normalised_error <= 1e-11);
}

fn union(parts: &[&Biadjacency]) -> Biadjacency {
    let (mut left, mut right, mut edges) = (0, 0, Vec::new());
    for part in parts {
        for l in 0..part.left() {
            edges.extend(part.of_left(l).iter().map(|r| (left + l, right + *r as usize)));
        }
        left += part.left();
        right += part.right();
    }
    Biadjacency::from_edges(left, right, edges)
}

fn complete(left: usize, right: usize) -> Biadjacency {
    Biadjacency::sample(left, right, 1.0, Sampling::Exact, 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_graph_agrees_with_dense_values(left in 1..25_usize, right in 1..25_usize, density in 0.02..1.0_f64, seed: u64) {
        let graph = Biadjacency::sample(left, right, density, Sampling::Bernoulli, seed);
        if graph.edges() == 0 {
            prop_assert_eq!(spectrum(&graph, &EXACT), None);
        } else {
            agrees(&graph);
        }
    }

    #[test]
    fn renaming_nodes_changes_nothing(seed: u64, a in 1..30_usize, b in 1..20_usize) {
        let graph = Biadjacency::sample(31, 23, 0.2, Sampling::Exact, seed);
        let edges = (0..31).flat_map(|l| graph.of_left(l).iter().map(move |r| (l * a % 31, *r as usize * b % 23)));
        let renamed = spectrum(&Biadjacency::from_edges(31, 23, edges), &EXACT).unwrap();
        let same = spectrum(&graph, &EXACT).unwrap();
        let exchanged = spectrum(&graph.transposed(), &EXACT).unwrap();
        for other in [renamed, exchanged] {
            prop_assert!((other.sigma1 - same.sigma1).abs() < 1e-10);
            prop_assert!((other.sigma2 - same.sigma2).abs() < 1e-10);
            prop_assert!((other.normalised_gap - same.normalised_gap).abs() < 1e-10);
        }
    }
}

#[test]
fn layers_of_usual_size_agree_with_dense_values() {
    for (left, right, density) in [(784, 120, 0.05), (60, 400, 0.3), (150, 150, 0.02)] {
        agrees(&Biadjacency::sample(left, right, density, Sampling::Bernoulli, 5));
    }
}

/// Hubs, whose degrees are far from those of others, and a tail of singular values that are nearly 0.
#[test]
fn uneven_degrees_agree_with_dense_values() {
    let edges = (0..100).flat_map(|l| (0..80).filter(move |r| (l + 1) * (r + 1) < 120).map(move |r| (l, r)));
    agrees(&Biadjacency::from_edges(100, 80, edges));
}

#[test]
fn complete_graphs_have_one_singular_value() {
    for (left, right) in [(1, 1), (1, 9), (4, 4), (27, 64), (300, 200)] {
        let found = spectrum(&complete(left, right), &EXACT).unwrap();
        let sigma1 = ((left * right) as f64).sqrt();
        assert!((found.sigma1 - sigma1).abs() <= 1e-12 * sigma1);
        assert!(found.sigma2.abs() <= 1e-12 * sigma1, "{}", found.sigma2);
        assert!((found.normalised_gap - 1.0).abs() < 1e-12);
        assert_eq!(found.sigma2_over_null, None);
        assert!((found.sigma1_over_null - 1.0).abs() < 1e-12);
    }
}

/// Two equal halves joined by one edge: σ₁ and σ₂ differ little, and symmetry hides the second from a regular start.
#[test]
fn bottlenecks_agree_with_dense_values() {
    let half = complete(30, 25);
    let halves = union(&[&half, &half]);
    let edges = (0..60).flat_map(|l| halves.of_left(l).iter().map(move |r| (l, *r as usize)));
    let graph = Biadjacency::from_edges(60, 50, edges.chain([(0, 49)]));
    agrees(&graph);
    let (found, sigma) = (spectrum(&graph, &Accuracy::default()).unwrap(), dense(&graph, false));
    assert!((found.sigma2 - sigma[1]).abs() <= 1e-6 * sigma[0] && found.ratio > 0.99);
    assert!(found.normalised_gap > 0.0 && found.normalised_gap < 0.01);
}

#[test]
fn components_bring_their_own_values() {
    let (small, large) = (complete(3, 3), Biadjacency::sample(20, 20, 0.5, Sampling::Exact, 1));
    let alone = spectrum(&large, &EXACT).unwrap();
    // Equal components: σ₂ = σ₁.
    let twice = spectrum(&union(&[&large, &large]), &EXACT).unwrap();
    assert!((twice.sigma1 - alone.sigma1).abs() < 1e-10 && (twice.sigma2 - alone.sigma1).abs() < 1e-10);
    assert_eq!(twice.normalised_gap.to_bits(), 0);
    // A component whose only singular value lies between the two of the other.
    assert!(alone.sigma2 > 3.0);
    let four = complete(6, 6);
    let both = spectrum(&union(&[&small, &large, &four]), &EXACT).unwrap();
    assert!((both.sigma1 - alone.sigma1).abs() < 1e-10 && (both.sigma2 - 6.0).abs() < 1e-10);
    // The largest component need not have the largest value.
    let star = complete(50, 1);
    let path = Biadjacency::from_edges(100, 100, (0..100).flat_map(|i| [(i, i), (i, (i + 1).min(99))]));
    let both = spectrum(&union(&[&path, &star]), &EXACT).unwrap();
    assert!((both.sigma1 - 50_f64.sqrt()).abs() < 1e-10);
    assert!((both.sigma2 - dense(&path, false)[0]).abs() < 1e-9);
}

#[test]
fn isolated_nodes_change_nothing() {
    let graph = Biadjacency::sample(30, 20, 0.3, Sampling::Exact, 4);
    let more =
        Biadjacency::from_edges(50, 90, (0..30).flat_map(|l| graph.of_left(l).iter().map(move |r| (l + 9, *r as usize * 4))));
    let (a, b) = (spectrum(&graph, &EXACT).unwrap(), spectrum(&more, &EXACT).unwrap());
    assert!((a.sigma2 - b.sigma2).abs() < 1e-10 && (a.normalised_gap - b.normalised_gap).abs() < 1e-10);
    assert!((a.null1 - b.null1).abs() < 1e-12 && (a.null2 - b.null2).abs() < 1e-12);
    let (a, b) = (ramanujan(&graph, &a).unwrap(), ramanujan(&more, &b).unwrap());
    assert_eq!((a.left, a.right), (b.left, b.right));
    assert!((a.delta_r - b.delta_r).abs() < 1e-10);
}

/// The bound is one: few steps have a large error and say so.
#[test]
fn errors_are_within_their_bound() {
    let graph = Biadjacency::sample(300, 200, 0.1, Sampling::Exact, 8);
    let sigma = dense(&graph, false);
    let mut last = f64::INFINITY;
    for steps in [2, 4, 8, 16, 32, 64, 128] {
        let found = spectrum(&graph, &Accuracy { tolerance: 1e-9, steps }).unwrap();
        let error = (found.sigma2 - sigma[1]).abs().max((found.sigma1 - sigma[0]).abs()) / sigma[0];
        assert!(error <= found.error + 1e-12, "{steps}: {error} {}", found.error);
        assert!(error <= last + 1e-12);
        assert!(found.steps <= steps);
        last = error;
    }
    assert!(last < 1e-9);
    let usual = spectrum(&graph, &Accuracy::default()).unwrap();
    assert!((usual.sigma2 - sigma[1]).abs() <= 1e-6 * sigma[0] && usual.error <= 1e-6);
    // That it stops is not that nothing is left to find.
    assert!(usual.steps < 100 && usual.normalised_steps < 100, "{} {}", usual.steps, usual.normalised_steps);
}

#[test]
fn threads_change_no_bit() {
    let graph = Biadjacency::sample(3000, 2000, 0.02, Sampling::Exact, 2);
    let accuracy = Accuracy { tolerance: 1e-9, steps: 30 };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (spectrum(&graph, &accuracy), imdb(&graph, &accuracy)))
    };
    let one = with(1);
    assert!(one.0.is_some() && one.1.is_some());
    assert_eq!(one, with(3));
}

#[test]
fn random_graphs_are_near_their_null_values() {
    let graph = Biadjacency::sample(1000, 600, 0.1, Sampling::Bernoulli, 6);
    let found = spectrum(&graph, &Accuracy::default()).unwrap();
    // Degrees vary: each side adds (1 − d) / 2 over its mean degree.
    let expected = 1.0 + 0.45 / 60.0 + 0.45 / 100.0;
    assert!((found.sigma1_over_null - expected).abs() < 1e-3, "{}", found.sigma1_over_null);
    assert!((0.97..1.03).contains(&found.sigma2_over_null.unwrap()), "{:?}", found.sigma2_over_null);
}

#[test]
fn criteria_need_three_edges_a_node() {
    let of = |graph: &Biadjacency| ramanujan(graph, &spectrum(graph, &EXACT).unwrap());
    assert_eq!(of(&complete(2, 9)), None);
    assert_eq!(of(&complete(9, 2)), None);
    let three = of(&complete(3, 3)).unwrap();
    // 2·√2 and 2·√(3 − 1).
    assert!((three.bound_r - 8_f64.sqrt()).abs() < 1e-12 && (three.bound_s - 8_f64.sqrt()).abs() < 1e-12);
    assert!(three.is_ramanujan && (three.normalised_r - 1.0).abs() < 1e-9);
    // Two equal components: σ₂ = 8 is far above any bound.
    let two = of(&union(&[&complete(8, 8), &complete(8, 8)])).unwrap();
    assert!(!two.is_ramanujan && (two.delta_r - (2.0 * 7_f64.sqrt() - 8.0)).abs() < 1e-9);
    assert_eq!(imdb(&Biadjacency::from_edges(3, 3, []), &EXACT), None);
}

/// A large block and two equal ones, joined by paths that are given by their ends (input, output).
fn joined_blocks(paths: [(usize, usize); 2], length: usize) -> Biadjacency {
    let parts = union(&[&complete(14, 12), &complete(12, 10), &complete(12, 10)]);
    let mut edges: Vec<(usize, usize)> =
        (0..parts.left()).flat_map(|l| parts.of_left(l).iter().map(move |r| (l, *r as usize))).collect();
    let (mut left, mut right) = (parts.left(), parts.right());
    for (from, to) in paths {
        let mut input = from;
        for _ in 0..length {
            edges.extend([(input, right), (left, right)]);
            (input, left, right) = (left, left + 1, right + 1);
        }
        edges.push((input, to));
    }
    Biadjacency::from_edges(left, right, edges)
}

/// Before the difference of σ₂ and σ₃ is resolved, what is found is a mixture of both, and looks as if it had converged.
#[test]
fn values_that_nearly_coincide_are_found_to_nine_digits() {
    // In a chain, and around the large block: differences of 4e-3, and of 1e-7 and less.
    for paths in [[(0, 12), (14, 22)], [(14, 0), (26, 1)]] {
        for length in 1..10 {
            let graph = joined_blocks(paths, length);
            let (found, sigma) = (spectrum(&graph, &Accuracy::default()).unwrap(), dense(&graph, false));
            let off = (found.sigma2 / sigma[1] - 1.0).abs();
            assert!((sigma[1] - sigma[2]).abs() < 0.005);
            assert!(off <= 1e-9 && found.error <= 1e-10, "paths {paths:?} of {length}: {off:e}");
        }
    }
}
