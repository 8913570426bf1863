"""Statistics of random layers from the toolkit against networkx and scipy: largest differences, and times of both.

    pip install networkx scipy
    cargo build --release -p er_wlt
    python scripts/graph_peers.py target/release/er_wlt

For each layer the toolkit draws a random mask, measures it (`graph --format json`) and writes its edges, which are measured again here. Exits
with 1 if any number differs by more than 1e-9 (singular values: 1e-6, the tolerance they are computed to), relative to numbers above 1. Anyone can
run it; it is no part of the build.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import networkx as nx
import numpy as np
import scipy
from networkx.algorithms import bipartite
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import structural_rank

TOLERANCE = 1e-9
ITERATED = {"singular values": 1e-6}
# Outputs x inputs, density: one in pieces, two as in small networks, one dense.
LAYERS = [("60x90", 0.015), ("300x784", 0.05), ("100x300", 0.1), ("64x288", 0.5)]


class Ours:
    """Numbers of one layer as the toolkit prints them, by path."""

    def __init__(self, program, shape, density, seed, folder):
        self.edges_file = Path(folder) / "edges.csv"
        command = [program, "graph", "--shape", shape, "--density", str(density), "--seed", str(seed)]
        command += ["--spectra", "--format", "json", "--edges", str(self.edges_file)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        self.seconds = time.perf_counter() - start
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        layer = json.loads(done.stdout)["layers"][0]
        self.layer = {**layer, **layer["graph"]}

    def edges(self):
        lines = self.edges_file.read_text().splitlines()
        return [tuple(int(n) for n in line.split(",")) for line in lines if line[:1].isdigit()]

    def __call__(self, path):
        value = self.layer
        for key in path.split("."):
            if value is None or key not in value:
                sys.exit(f"the toolkit does not print {path}")
            value = value[key]
        return value


def graph_of(inputs, outputs, edges):
    """The layer for networkx, and its inputs and outputs."""
    graph = nx.Graph()
    left = range(inputs)
    right = range(inputs, inputs + outputs)
    graph.add_nodes_from(left)
    graph.add_nodes_from(right)
    graph.add_edges_from((a, inputs + b) for a, b in edges)
    return graph, left, right


def degrees(side, values):
    values = np.array(values)
    yield f"{side}.degrees.mean", values.mean()
    yield f"{side}.degrees.variance", values.var()
    yield f"{side}.degrees.isolated", (values == 0).sum()
    yield f"{side}.degrees.min", values.min()
    yield f"{side}.degrees.max", values.max()


def all_degrees(graph, left, right, _):
    yield from degrees("inputs", [graph.degree(n) for n in left])
    yield from degrees("outputs", [graph.degree(n) for n in right])


def components(graph, left, right, _):
    found = list(nx.connected_components(graph))
    giant = max(found, key=len)
    yield "components.count", len(found)
    yield "components.nontrivial", sum(len(c) > 1 for c in found)
    yield "components.largest_nodes", len(giant)
    yield "components.largest_fraction", len(giant) / graph.number_of_nodes()


def four_cycles(graph, left, right, matrix):
    shared = (matrix @ matrix.T).toarray()
    pairs = shared[np.triu_indices(len(left), 1)].astype(np.int64)
    yield "clustering.four_cycles", (pairs * (pairs - 1) // 2).sum()


def coefficient(graph, left, right, _):
    yield "clustering.coefficient", bipartite.robins_alexander_clustering(graph)


def pairwise(graph, left, right, _):
    for side, nodes in [("inputs", left), ("outputs", right)]:
        for mode in ["dot", "min", "max"]:
            yield f"{side}.clustering.{mode}", bipartite.average_clustering(graph, nodes, mode=mode)


def assortativity(graph, left, right, _):
    ends = np.array([(graph.degree(a), graph.degree(b)) for a, b in graph.edges])
    yield "assortativity.pearson", np.corrcoef(ends.T)[0, 1]
    yield "assortativity.newman", nx.degree_assortativity_coefficient(graph)


def distances(graph, left, right, _):
    giant = graph.subgraph(max(nx.connected_components(graph), key=len))
    yield "distances.mean", nx.average_shortest_path_length(giant)
    yield "distances.diameter", nx.diameter(giant)
    yield "distances.efficiency", nx.global_efficiency(graph)


def matching(graph, left, right, matrix):
    yield "matching", len(bipartite.maximum_matching(graph, top_nodes=left)) // 2
    yield "matching", structural_rank(matrix)


def spectrum(graph, left, right, matrix):
    values = np.linalg.svd(matrix.toarray(), compute_uv=False)
    yield "spectrum.sigma1", values[0]
    yield "spectrum.sigma2", values[1]


QUANTITIES = {
    "degrees": all_degrees,
    "components": components,
    "four-cycles": four_cycles,
    "clustering": coefficient,
    "pairwise clustering": pairwise,
    "assortativity": assortativity,
    "distances": distances,
    "matching": matching,
    "singular values": spectrum,
}


def difference(path, ours, theirs):
    """Absolute, relative for numbers above 1; a number that only one side has is infinitely far."""
    if ours is None or not np.isfinite(theirs):
        return 0.0 if ours is None and not np.isfinite(theirs) else float("inf")
    return abs(float(ours) - float(theirs)) / max(1.0, abs(float(theirs)))


def compare(program, shape, density, seed, quantities):
    """Prints a table for one layer; the largest difference as a multiple of what is allowed."""
    outputs, inputs = (int(n) for n in shape.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(program, shape, density, seed, folder)
        edges = ours.edges()
    graph, left, right = graph_of(inputs, outputs, edges)
    rows, columns = zip(*edges)
    matrix = csr_matrix((np.ones(len(edges)), (rows, columns)), shape=(inputs, outputs))
    print(f"\n{shape}, density {density}, seed {seed}: {len(edges)} edges\n")
    print("| quantity | largest difference | networkx, scipy, s |\n|---|---|---|")
    worst, total = difference("edges", ours("edges"), len(edges)) / TOLERANCE, 0.0
    for name in quantities:
        start = time.perf_counter()
        theirs = list(QUANTITIES[name](graph, left, right, matrix))
        seconds = time.perf_counter() - start
        largest = max(difference(path, ours(path), value) for path, value in theirs)
        print(f"| {name} | {largest:.1e} | {seconds:.3f} |")
        worst, total = max(worst, largest / ITERATED.get(name, TOLERANCE)), total + seconds
    print(f"\nTogether: {total:.2f} s; the toolkit, with its start and all it measures besides: {ours.seconds:.3f} s")
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="er_wlt, er_dst, er_slt or er_str")
    parser.add_argument("--shape", help="one layer, outputs x inputs, in place of the usual ones")
    parser.add_argument("--density", type=float, default=0.1, help="its density [default: %(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(QUANTITIES), help="a quantity to compare; may be repeated")
    options = parser.parse_args()
    print(f"networkx {nx.__version__}, scipy {scipy.__version__}, numpy {np.__version__}")
    layers = [(options.shape, options.density)] if options.shape else LAYERS
    quantities = options.only or list(QUANTITIES)
    worst = max(compare(options.program, shape, density, options.seed, quantities) for shape, density in layers)
    print(f"\nLargest difference: {worst:.1e} of what is allowed")
    sys.exit(worst > 1)


if __name__ == "__main__":
    main()
