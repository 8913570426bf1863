"""Times one sparse 3x3 convolution, forward and backward (both gradients), of this engine and of SparseProp on this machine.

SparseProp (Nikdan et al. 2023) computes with edges too. Both sides: batch 128, float32, uniform random masks. SparseProp is a
PyTorch layer that vectorises over samples or over columns; the faster of the two counts. The two sides take turns, and the ratio
is the median over the rounds, so that other load on the machine cancels.

    pip install torch scipy pybind11 && pip install sparseprop
    python shared/benches/compare_sparseprop.py [--shapes 64x32,128x16] [--densities 0.01,0.05,0.1] [--rounds 3] [--threads 2]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import time

BATCH = 128
ROOT = pathlib.Path(__file__).resolve().parents[2]


def our_ms(shape, density, threads):
    command = ["cargo", "bench", "--quiet", "-p", "shared", "--bench", "convolution", "--", "--json"]
    command += ["--shapes", shape, "--densities", density, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout)["ms"]


def peer_ms(layer, x, gradient):
    """Median milliseconds of forward and backward."""
    seconds = []
    for _ in range(5):
        x.grad = layer.W_val.grad = None
        before = time.perf_counter()
        layer(x).backward(gradient)
        seconds.append(time.perf_counter() - before)
    return 1e3 * statistics.median(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="64x32,128x16,256x8,512x4")
    parser.add_argument("--densities", default="0.01,0.05,0.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    # SparseProp's threads are OpenMP's, which reads this when it is loaded.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    try:
        import torch
        from sparseprop.modules import SparseConv2d
    except ImportError as error:
        raise SystemExit(f"{error}\n  pip install torch scipy pybind11 && pip install sparseprop (it compiles itself)") from None

    print(f"PyTorch {torch.__version__}, threads: {options.threads}\n")
    print("| channels x side | density | ms | SparseProp | ratio |\n|---|---|---|---|---|")
    for shape in options.shapes.split(","):
        channels, side = map(int, shape.split("x"))
        torch.manual_seed(0)
        x = torch.randn(BATCH, channels, side, side, requires_grad=True)
        gradient = torch.randn(BATCH, channels, side, side)
        for density in options.densities.split(","):
            dense = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            with torch.no_grad():
                dense.weight.mul_(torch.rand_like(dense.weight) < float(density))
            layers = [SparseConv2d.from_dense(dense, vectorizing_over_on=columns) for columns in (False, True)]
            rounds = []
            for _ in range(options.rounds):
                rounds.append((our_ms(shape, density, options.threads), min(peer_ms(layer, x, gradient) for layer in layers)))
            ours, peer = map(statistics.median, zip(*rounds))
            ratio = statistics.median(p / o for o, p in rounds)
            print(f"| {shape} | {density} | {ours:.1f} | {peer:.1f} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
