//! Statistics of bipartite graphs: `cargo bench -p shared --bench graph`, or a part of it: `-- layer`, `-- large`.
//!
//! `layer` is the graph of a 3×3 convolution from 512 to 512 channels at density 0.1, `large` has 100,000 nodes on either side
//! and 10⁸ edges.

use divan::Bencher;
use shared::graph::{Biadjacency, Sampling};

fn main() {
    divan::main();
}

mod layer {
    use super::{Bencher, Biadjacency, Sampling};
    use shared::statistics::bipartite as statistics;
    use shared::statistics::bipartite::{Degrees, Effort};

    fn graph() -> Biadjacency {
        Biadjacency::sample(4608, 512, 0.1, Sampling::Bernoulli, 1)
    }

    #[divan::bench]
    fn degrees(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| (Degrees::of(&graph.left_degrees(), 512, None), Degrees::of(&graph.right_degrees(), 4608, None)));
    }

    #[divan::bench]
    fn components(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::Components::of(&graph));
    }

    #[divan::bench]
    fn four_cycles(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::Clustering::of(&graph));
    }

    #[divan::bench]
    fn pairwise_clustering(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::clustering(&graph));
    }

    #[divan::bench]
    fn distances(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::Distances::of(&graph, 1));
    }

    #[divan::bench]
    fn matching(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::matching(&graph));
    }

    #[divan::bench]
    fn everything(bencher: Bencher) {
        let graph = graph();
        bencher.bench_local(|| statistics::measure(&graph, &Effort::default()));
    }
}

mod large {
    use super::{Bencher, Biadjacency, Sampling};
    use shared::statistics::bipartite::{Components, Degrees};
    use std::sync::LazyLock;

    const NODES: usize = 100_000;

    fn draw() -> Biadjacency {
        Biadjacency::sample(NODES, NODES, 0.01, Sampling::Bernoulli, 1)
    }

    static GRAPH: LazyLock<Biadjacency> = LazyLock::new(draw);

    #[divan::bench(sample_count = 3, sample_size = 1)]
    fn sampling(bencher: Bencher) {
        bencher.bench_local(draw);
    }

    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn degrees(bencher: Bencher) {
        LazyLock::force(&GRAPH);
        let both = |graph: &Biadjacency| {
            (Degrees::of(&graph.left_degrees(), NODES, None), Degrees::of(&graph.right_degrees(), NODES, None))
        };
        bencher.bench_local(|| both(&GRAPH));
    }

    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn components(bencher: Bencher) {
        LazyLock::force(&GRAPH);
        bencher.bench_local(|| Components::of(&GRAPH));
    }
}
