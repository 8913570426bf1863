"""Times whole training steps of er_wlt and of PyTorch on this machine and prints a table of speeds, ratios and memory.

PyTorch does what masked training usually does: dense weights, multiplied by a 0/1 mask after every step, in the faster of its two
memory formats (the first round of each case finds it). Both sides: batch 128, 3x32x32, random images, SGD with Nesterov momentum
and weight decay, uniform random masks on every layer, float32, all cores unless --threads says otherwise. --amp adds PyTorch in
bfloat16 (autocast, channels last).

The sides take turns, each in a process of its own, and ratios are medians over the rounds, so that other load on the machine
cancels. Memory is the largest resident memory of the process, libraries and data included.

    pip install torch
    cargo build --release -p er_wlt
    python shared/benches/compare_torch.py [--models vgg16,resnet18,resnet50] [--densities 0.01,0.05,0.1,1] [--steps 10]
                                           [--rounds 3] [--threads N] [--amp]
"""

import argparse
import json
import multiprocessing
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch import nn

BATCH = 128
BINARY = pathlib.Path(__file__).resolve().parents[2] / "target/release/er_wlt"


def conv(inputs, outputs, side, stride=1):
    layer = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """A basic block (two 3x3) or a bottleneck (1x1, 3x3, 1x1 to four times the width)."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = width * 4 if bottleneck else width
        if bottleneck:
            parts = [conv(inputs, width, 1), conv(width, width, 3, stride), conv(width, outputs, 1)]
        else:
            parts = [conv(inputs, width, 3, stride), conv(width, outputs, 3)]
        body = []
        for part in parts:
            body += [part, nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*body[:-1])
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(blocks, bottleneck):
    layers = [conv(3, 64, 3), nn.ReLU(inplace=True)]
    channels = 64
    for stage, count in enumerate(blocks):
        for block in range(count):
            width = 64 << stage
            layers.append(Residual(channels, width, 2 if stage and not block else 1, bottleneck))
            channels = width * 4 if bottleneck else width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10, bias=False))


def vgg16():
    layers, channels = [], 3
    for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]:
        if width:
            layers += [conv(channels, width, 3), nn.ReLU(inplace=True)]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(512, 10))


MODELS = {
    "vgg16": vgg16,
    "resnet18": lambda: resnet([2, 2, 2, 2], False),
    "resnet50": lambda: resnet([3, 4, 6, 3], True),
}


def torch_step(name, density, steps, threads, channels_last, amp):
    """Median seconds of a step, and the largest memory of this process in bytes."""
    if threads:
        torch.set_num_threads(threads)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    torch.manual_seed(0)
    model = MODELS[name]().to(memory_format=memory)
    x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=memory)
    y = torch.randint(0, 10, (BATCH,))
    weights = [p for p in model.parameters() if p.dim() > 1]
    masks = [(torch.rand_like(p) < density).float() for p in weights]
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def mask():
        with torch.no_grad():
            for weight, m in zip(weights, masks):
                weight.mul_(m)

    mask()
    seconds = []
    for _ in range(2 + steps):
        before = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        mask()
        seconds.append(time.perf_counter() - before)
    unit = 1 if sys.platform == "darwin" else 1024
    return statistics.median(seconds[2:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def in_process(*case):
    """`torch_step` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(torch_step, case)


def our_step(name, density, steps, threads):
    """The same of er_wlt."""
    with tempfile.TemporaryDirectory() as out:
        command = [BINARY, "--data", "synthetic", "--model", name, "--lr", "0.01", "--max-steps", str(5 + steps), "--out", out]
        command += ["--sparse", "--fix", "--sparse-init", "uniform", "--density", density, "--quiet"]
        command += ["--threads", str(threads)] if threads else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (path,) = pathlib.Path(out).glob("*/summary.json")
        summary = json.loads(path.read_text())
        return summary["median_step_seconds"], summary["peak_rss_bytes"]


def row(name, density, options):
    """One line of the table."""
    case, common = (name, float(density)), (options.steps, options.threads)
    formats = [False, True]
    ours, peer, half = [], [], []
    for _ in range(options.rounds):
        ours.append(our_step(name, density, *common))
        tried = [(in_process(*case, *common, channels_last, False), channels_last) for channels_last in formats]
        fastest, channels_last = min(tried)
        formats = [channels_last]
        peer.append(fastest)
        if options.amp:
            half.append(in_process(*case, *common, True, True))

    def speed(side):
        return f"{statistics.median(BATCH / seconds for seconds, _ in side):.0f}"

    def ratio(side):
        return f"{statistics.median(theirs / mine for (mine, _), (theirs, _) in zip(ours, side)):.1f}"

    def memory(side):
        sizes = [size for _, size in side]
        return f"{max(sizes) / 2**20:.0f}" if all(sizes) else "?"

    cells = [name, density, speed(ours), speed(peer), ratio(peer)]
    cells += [speed(half), ratio(half)] if options.amp else []
    return cells + [memory(ours), memory(peer)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="vgg16,resnet18,resnet50")
    parser.add_argument("--densities", default="0.01,0.05,0.1,1")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--amp", action="store_true")
    options = parser.parse_args()
    print(f"PyTorch {torch.__version__}, threads: {options.threads or torch.get_num_threads()}\n")
    titles = ["network", "density", "images/s", "PyTorch", "ratio"] + (["bf16", "ratio"] if options.amp else [])
    titles += ["memory, MiB", "PyTorch memory, MiB"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name in options.models.split(","):
        for density in options.densities.split(","):
            print(f"| {' | '.join(row(name, density, options))} |", flush=True)


if __name__ == "__main__":
    main()
