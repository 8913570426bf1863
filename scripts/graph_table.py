"""A table of mask statistics from what `graph --format json` prints: a row a label, mean ± standard deviation over its files.

    python scripts/graph_table.py fc1.weight RigL=rigl-1.json,rigl-2.json SET=set-1.json

The layer is named first; numbers of paths and the effective density are those of the network. No packages needed.
"""

import json
import statistics
import sys


def mean(values, digits):
    values = [v for v in values if v is not None]
    if not values:
        return "–"
    text = f"{statistics.mean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"


def spread(degrees):
    """Standard deviation of degrees over that of the binomial law."""
    return (degrees["variance"] / degrees["expected"]["variance"]) ** 0.5


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    name, *rows = sys.argv[1:]
    print("| masks | edges | inputs, outputs without edge | spread of degrees: inputs, outputs | clustering / density | σ₂ / chance | effective density | log₂ paths |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        label, files = row.split("=", 1)
        answers = [json.load(open(path)) for path in files.split(",")]
        layers = [next(layer for layer in a["layers"] if layer["name"] == name) for a in answers]
        graphs = [layer["graph"] for layer in layers]
        of = lambda value: [value(g) for g in graphs]
        cells = [
            mean([layer["edges"] for layer in layers], 0),
            ", ".join(mean(of(lambda g: g[side]["degrees"]["isolated"]), 0) for side in ["inputs", "outputs"]),
            ", ".join(mean(of(lambda g: spread(g[side]["degrees"])), 2) for side in ["inputs", "outputs"]),
            mean(of(lambda g: g["clustering"]["coefficient"] / g["density"]), 2),
            mean([layer["spectrum"] and layer["spectrum"]["sigma2_over_null"] for layer in layers], 2),
            mean([a["network"]["total"]["effective_pixels"]["density"] for a in answers], 4),
            mean([a["network"]["paths"][0]["log2"] for a in answers], 1),
        ]
        print(f"| {label} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
