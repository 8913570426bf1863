//! Flow preservation of masks whose isolated units the published program listed.

use crate::golden::{counts, golden};
use shared::graph::{LayerShape, Mask};
use shared::rng::{Purpose, stream};
use shared::topology::preserve;

fn zeros(degrees: &[usize]) -> Vec<usize> {
    (0..degrees.len()).filter(|u| degrees[*u] == 0).collect()
}

#[test]
fn isolated_units_and_no_others_are_repaired() {
    for case in golden("flow_cases.json").as_array().unwrap() {
        let tag = &case["tag"];
        let shape = match counts(&case["shape"])[..] {
            [out, inp] => LayerShape::linear(out, inp),
            [out, inp, kh, kw] => LayerShape::conv(out, inp, [kh, kw]),
            _ => panic!("{tag}"),
        };
        let original = Mask::from_positions(shape, counts(&case["edges"]));
        let (rows, columns) = (counts(&case["zero_in_rows"]), counts(&case["zero_out_cols"]));
        assert_eq!((zeros(&original.in_degrees()), zeros(&original.out_degrees())), (rows.clone(), columns.clone()), "{tag}");
        for seed in 0..50 {
            let mut mask = original.clone();
            let repair = preserve(&mut mask, 1, false, &mut stream(seed, Purpose::Growth, 0));
            let input = |p: usize| p % shape.fan_in() / shape.taps();
            let new: Vec<usize> = mask.iter().filter(|p| !original.contains(*p)).collect();
            // An edge of an isolated output may reach an isolated input, which then needs none of its own.
            let mut reached: Vec<usize> = new
                .iter()
                .filter(|p| rows.contains(&(*p / shape.fan_in())))
                .map(|p| input(*p))
                .filter(|i| columns.contains(i))
                .collect();
            reached.sort_unstable();
            reached.dedup();
            assert!(zeros(&mask.in_degrees()).is_empty() && zeros(&mask.out_degrees()).is_empty(), "{tag}, seed {seed}");
            assert_eq!((new.len(), mask.edges()), (repair.added, original.edges() + repair.added), "{tag}, seed {seed}");
            assert!(repair.added >= rows.len() + columns.len() - reached.len(), "{tag}, seed {seed}");
            assert!(repair.added <= rows.len() + columns.len(), "{tag}, seed {seed}");
            assert!(
                new.iter().all(|p| rows.contains(&(p / shape.fan_in())) || columns.contains(&input(*p))),
                "{tag}, seed {seed}"
            );
        }
    }
}
