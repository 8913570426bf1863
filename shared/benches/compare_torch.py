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
BINARIES = pathlib.Path(__file__).resolve().parents[2] / "target/release"


class Dense:
    """The layers that networks are made of: PyTorch's own."""

    @staticmethod
    def conv(inputs, outputs, side, stride=1):
        """A convolution and its normalisation."""
        layer = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs))

    @staticmethod
    def linear(inputs, outputs, bias):
        return nn.Linear(inputs, outputs, bias)


class Residual(nn.Module):
    """A basic block (two 3x3) or a bottleneck (1x1, 3x3, 1x1 to four times the width)."""

    def __init__(self, layers, inputs, width, stride, bottleneck):
        super().__init__()
        conv = layers.conv
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


def resnet(layers, blocks, bottleneck):
    steps = [layers.conv(3, 64, 3), nn.ReLU(inplace=True)]
    channels = 64
    for stage, count in enumerate(blocks):
        for block in range(count):
            width = 64 << stage
            steps.append(Residual(layers, channels, width, 2 if stage and not block else 1, bottleneck))
            channels = width * 4 if bottleneck else width
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers.linear(channels, 10, False))


def vgg16(layers):
    steps, channels = [], 3
    for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]:
        if width:
            steps += [layers.conv(channels, width, 3), nn.ReLU(inplace=True)]
            channels = width
        else:
            steps.append(nn.MaxPool2d(2))
    return nn.Sequential(*steps, nn.AvgPool2d(2), nn.Flatten(), layers.linear(512, 10, True))


MODELS = {
    "vgg16": vgg16,
    "resnet18": lambda layers: resnet(layers, [2, 2, 2, 2], False),
    "resnet50": lambda layers: resnet(layers, [3, 4, 6, 3], True),
}


def network(name, layers, threads, channels_last):
    """A network of these layers, a batch and its labels."""
    if threads:
        torch.set_num_threads(threads)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    torch.manual_seed(0)
    model = MODELS[name](layers).to(memory_format=memory)
    x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=memory)
    return model, x, torch.randint(0, 10, (BATCH,))


def measured(step, steps):
    """Median seconds of this step, and the largest memory of this process in bytes."""
    seconds = []
    for _ in range(2 + steps):
        before = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - before)
    unit = 1 if sys.platform == "darwin" else 1024
    return statistics.median(seconds[2:]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def torch_step(name, density, steps, threads, channels_last, amp):
    """Masked training; see `measured`."""
    model, x, y = network(name, Dense, threads, channels_last)
    weights = [p for p in model.parameters() if p.dim() > 1]
    masks = [(torch.rand_like(p) < density).float() for p in weights]
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)

    def mask():
        with torch.no_grad():
            for weight, m in zip(weights, masks):
                weight.mul_(m)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        mask()

    mask()
    return measured(step, steps)


def in_process(function, *case):
    """What this function says of this case, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, case)


def our_step(binary, name, arguments, steps, threads):
    """The same of one of our programs."""
    with tempfile.TemporaryDirectory() as out:
        command = [BINARIES / binary, "--data", "synthetic", "--model", name, "--lr", "0.01", "--max-steps", str(5 + steps)]
        command += ["--out", out, "--quiet", *arguments]
        command += ["--threads", str(threads)] if threads else []
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (path,) = pathlib.Path(out).glob("*/summary.json")
        summary = json.loads(path.read_text())
        return summary["median_step_seconds"], summary["peak_rss_bytes"]


def middle(of, *sides):
    """Median over the rounds of this function of the sides' seconds."""
    return statistics.median(of(*seconds) for seconds in zip(*([seconds for seconds, _ in side] for side in sides)))


def ratio(ours, side):
    return f"{middle(lambda mine, theirs: theirs / mine, ours, side):.1f}"


def memory(side):
    sizes = [size for _, size in side]
    return f"{max(sizes) / 2**20:.0f}" if all(sizes) else "?"


def row(name, density, options):
    """One line of the table."""
    case, common = (name, float(density)), (options.steps, options.threads)
    arguments = ["--sparse", "--fix", "--sparse-init", "uniform", "--density", density]
    formats = [False, True]
    ours, peer, half = [], [], []
    for _ in range(options.rounds):
        ours.append(our_step("er_wlt", name, arguments, *common))
        tried = [(in_process(torch_step, *case, *common, channels_last, False), channels_last) for channels_last in formats]
        fastest, channels_last = min(tried)
        formats = [channels_last]
        peer.append(fastest)
        if options.amp:
            half.append(in_process(torch_step, *case, *common, True, True))

    def speed(side):
        return f"{middle(lambda seconds: BATCH / seconds, side):.0f}"

    cells = [name, density, speed(ours), speed(peer), ratio(ours, peer)]
    cells += [speed(half), ratio(ours, half)] if options.amp else []
    return cells + [memory(ours), memory(peer)]


def head(titles, threads):
    print(f"PyTorch {torch.__version__}, threads: {threads or torch.get_num_threads()}\n")
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="vgg16,resnet18,resnet50")
    parser.add_argument("--densities", default="0.01,0.05,0.1,1")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--amp", action="store_true")
    options = parser.parse_args()
    titles = ["network", "density", "images/s", "PyTorch", "ratio"] + (["bf16", "ratio"] if options.amp else [])
    titles += ["memory, MiB", "PyTorch memory, MiB"]
    head(titles, options.threads)
    for name in options.models.split(","):
        for density in options.densities.split(","):
            print(f"| {' | '.join(row(name, density, options))} |", flush=True)


if __name__ == "__main__":
    main()
