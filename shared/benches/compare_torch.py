"""Times whole training steps of er_wlt and of PyTorch on this machine and prints a table of ratios.

PyTorch does what masked training usually does: dense weights, multiplied by a 0/1 mask after every step, in the faster of its two
memory formats. Both sides: batch 128, 3x32x32, random images, SGD with Nesterov momentum and weight decay, uniform random masks on
every layer, all cores.

    pip install torch
    cargo build --release -p er_wlt
    python shared/benches/compare_torch.py [--models vgg16,resnet18,resnet50] [--densities 0.01,0.05,0.1,1] [--steps 10]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
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


def torch_step(name, density, steps):
    """Median seconds of a step in the faster memory format."""
    best = float("inf")
    for memory in [torch.contiguous_format, torch.channels_last]:
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
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            mask()
            seconds.append(time.perf_counter() - before)
        best = min(best, statistics.median(seconds[2:]))
    return best


def our_step(name, density, steps):
    """Median seconds of a step of er_wlt."""
    with tempfile.TemporaryDirectory() as out:
        command = [BINARY, "--data", "synthetic", "--model", name, "--lr", "0.01", "--max-steps", str(5 + steps), "--out", out]
        command += ["--sparse", "--fix", "--sparse-init", "uniform", "--density", str(density), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (summary,) = pathlib.Path(out).glob("*/summary.json")
        return json.loads(summary.read_text())["median_step_seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="vgg16,resnet18,resnet50")
    parser.add_argument("--densities", default="0.01,0.05,0.1,1")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    print("| network | density | images/s | PyTorch | ratio |\n|---|---|---|---|---|")
    for name in options.models.split(","):
        for density in options.densities.split(","):
            ours, peer = our_step(name, density, options.steps), torch_step(name, float(density), options.steps)
            print(f"| {name} | {density} | {BATCH / ours:.0f} | {BATCH / peer:.0f} | {peer / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
