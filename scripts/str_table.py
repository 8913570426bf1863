"""Table and picture of er_str runs: accuracy against density, without and inside random masks.

    python scripts/str_table.py RUNS_FOLDER PICTURE.svg

Reads config.yaml and summary.json of every finished run in the folder; runs that differ by seed alone are one row, with means and
sample standard deviations; the picture has a point for each. The table goes to standard output as Markdown. Python's own library is enough.
"""

import json
import math
import statistics
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 460, 64, 20, 210, 52
# Accuracy, in percent, of networks that are left out of the picture; guessing has 10.
DEAD = 40
COLOURS = ["#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#7b4fa3", "#444444"]


def runs(folder):
    """(options, summary) of every finished run; config.yaml has one `key: JSON value` a line."""
    for path in sorted(Path(folder).glob("*/summary.json")):
        lines = (path.parent / "config.yaml").read_text().splitlines()
        pairs = (line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))
        yield {key: json.loads(value) for key, value in pairs}, json.loads(path.read_text())


def rows(folder):
    """Rows by what is common to the seeds: weight decay, first s, mask."""
    found = {}
    for options, summary in runs(folder):
        soft = options["conv-type"] == "STRConvER"
        method = options["er-sparse-method"].split("[")[0] if soft else None
        density = options["er-sparse-init"] if soft else 1.0
        key = (options["weight-decay"], options["sInit-value"], density, method)
        found.setdefault(key, []).append((summary["density"], 100 * summary["test_accuracy"], summary.get("mask_density", 1.0)))
    return found


def spread(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def order(key):
    decay, first, density, method = key
    return (method is not None, -density, method or "", -first, decay)


def table(found):
    print("| weight decay | first s | random mask | achieved | density in the end | test accuracy | seeds |")
    print("|---|---|---|---|---|---|---|")
    for key in sorted(found, key=order):
        decay, first, density, method = key
        ends, accuracies, masks = zip(*found[key])
        mask = "none" if method is None else f"{method} {density:g}"
        achieved = "1" if method is None else f"{statistics.mean(masks):.3f}"
        (end, end_sd), (accuracy, accuracy_sd) = spread(ends), spread(accuracies)
        print(f"| {decay:g} | {first:g} | {mask} | {achieved} | {end:.4f} ± {end_sd:.4f} | {accuracy:.2f} ± {accuracy_sd:.2f} % | {len(ends)} |")


def picture(found):
    points = [(key, density, accuracy) for key, of in found.items() for density, accuracy, _ in of]
    for key, density, accuracy in points:
        if accuracy < DEAD:
            print(f"not in the picture, since nothing passes through: {key}, density {density:g}", file=sys.stderr)
    points = [point for point in points if point[2] >= DEAD]
    xs, ys = [math.log10(density) for _, density, _ in points], [accuracy for _, _, accuracy in points]
    x0, x1 = math.floor(min(xs) * 4) / 4, math.ceil(max(xs) * 4) / 4
    y0, y1 = math.floor(min(ys) / 2) * 2 - 2, math.ceil(max(ys) / 2) * 2
    across = lambda density: LEFT + (math.log10(density) - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
    down = lambda accuracy: TOP + (y1 - accuracy) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">']
    out.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    step = 2 if y1 - y0 <= 16 else 5
    for accuracy in range(math.ceil(y0 / step) * step, y1 + 1, step):
        y = down(accuracy)
        out.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{accuracy}</text>')
    for exponent in range(math.floor(x0), 1):
        for digit in (1, 2, 5):
            density = digit * 10.0**exponent
            if x0 - 1e-9 <= math.log10(density) <= x1 + 1e-9:
                x = across(density)
                out.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#dddddd"/>')
                out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{density:g}</text>')
    middle = (LEFT + right) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">density of the network in the end</text>')
    y = (TOP + bottom) / 2
    out.append(f'<text x="16" y="{y}" text-anchor="middle" transform="rotate(-90 16 {y})">test accuracy, %</text>')
    methods = sorted({key[3] for key in found if key[3]})
    kinds = [(None, 1.0)] + [(m, d) for m in methods for d in sorted({k[2] for k in found if k[3] == m}, reverse=True)]
    for line, kind in enumerate(kinds):
        method, density = kind
        colour = COLOURS[5] if method is None else COLOURS[methods.index(method) % 5]
        label = "no mask" if method is None else f"{method} {density:g}"
        y = TOP + 10 + 20 * line
        out.append(mark(right + 20, y, colour, density))
        out.append(f'<text x="{right + 34}" y="{y + 4}">{label}</text>')
        for key, density_of, accuracy in points:
            if (key[3], key[2]) == kind:
                title = f"weight decay {key[0]:g}, first s {key[1]:g}: density {density_of:.4f}, {accuracy:.2f} %"
                out.append(f"<g><title>{title}</title>{mark(across(density_of), down(accuracy), colour, density)}</g>")
    out.append("</svg>")
    return "\n".join(out) + "\n"


def mark(x, y, colour, density):
    """A disc without mask, a square for dense masks, a triangle for sparse ones."""
    if density >= 1:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" fill-opacity="0.8"/>'
    if density >= 0.2:
        return f'<rect x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10" fill="{colour}" fill-opacity="0.8"/>'
    return f'<path d="M{x - 6:.1f} {y + 5:.1f}H{x + 6:.1f}L{x:.1f} {y - 6:.1f}Z" fill="{colour}" fill-opacity="0.8"/>'


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    found = rows(sys.argv[1])
    if not found:
        sys.exit(f"{sys.argv[1]}: no finished run of er_str in there")
    table(found)
    Path(sys.argv[2]).write_text(picture(found))
