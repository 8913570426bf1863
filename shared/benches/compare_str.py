"""Times whole training steps of soft threshold reparameterisation here and in PyTorch on this machine and prints a table.

PyTorch does what STR usually does: dense weights W and one number s a layer, of which each forward pass makes
sign(W)*relu(|W| - sigmoid(s)), times a 0/1 mask; gradients by autograd; SGD with momentum in three groups (normalisations,
thresholds, all else). It has the faster of its two memory formats, which the first round of each case finds. What it takes hardly
depends on the part of the weights in use.

Both sides: ResNet-18 whose classifier is a 1x1 convolution, batch 128, 3x32x32, random images, label smoothing 0.1, momentum 0.9, uniform
random masks, float32, all cores unless --threads says otherwise; weights are normal, and thresholds leave the given part of all
weights in use.

The sides take turns, each in a process of its own. Of each side the fastest step counts, and ratios are of these: load from elsewhere
only ever makes a step slower.

    pip install torch
    python shared/benches/compare_str.py [--masks 1,0.3] [--densities 1,0.5,0.2,0.1,0.05,0.02,0.01] [--steps 3] [--rounds 3]
                                         [--threads N]
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import time

import torch
from compare_torch import Residual, head, in_process
from torch import nn

BATCH = 128
ROOT = pathlib.Path(__file__).resolve().parents[2]


class Str(nn.Module):
    """A convolution of which the weights above a trained threshold are in use, less that threshold."""

    def __init__(self, inputs, outputs, side, stride, mask, density):
        super().__init__()
        self.stride, self.padding = stride, side // 2
        allowed = (torch.rand(outputs, inputs, side, side) < mask).float()
        weight = torch.randn(allowed.shape) * math.sqrt(2 / (inputs * side * side))
        magnitudes = (weight * allowed).abs().flatten().sort(descending=True).values
        keep = round(density * magnitudes.numel())
        g = float(magnitudes[keep]) if keep < magnitudes.numel() else 0.0
        self.weight = nn.Parameter(weight)
        self.s = nn.Parameter(torch.full((1, 1), math.log(g / (1 - g)) if g > 0 else -80.0))
        self.register_buffer("mask", allowed)

    def forward(self, x):
        effective = torch.sign(self.weight) * torch.relu(self.weight.abs() - torch.sigmoid(self.s))
        return nn.functional.conv2d(x, effective * self.mask, None, self.stride, self.padding)


class StrLayers:
    """Layers of soft threshold reparameterisation."""

    def __init__(self, mask, density):
        self.options = mask, density

    def conv(self, inputs, outputs, side, stride=1):
        return nn.Sequential(Str(inputs, outputs, side, stride, *self.options), nn.BatchNorm2d(outputs))


def resnet18(layers):
    steps, channels = [layers.conv(3, 64, 3), nn.ReLU(inplace=True)], 64
    for stage in range(4):
        for block in range(2):
            steps.append(Residual(layers, channels, 64 << stage, 2 if stage and not block else 1, False))
            channels = 64 << stage
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(1), Str(512, 10, 1, 1, *layers.options), nn.Flatten())


def torch_step(mask, density, steps, threads, channels_last):
    """Fastest milliseconds of a step."""
    if threads:
        torch.set_num_threads(threads)
    memory = torch.channels_last if channels_last else torch.contiguous_format
    torch.manual_seed(0)
    model = resnet18(StrLayers(mask, density)).to(memory_format=memory)
    x = torch.randn(BATCH, 3, 32, 32).contiguous(memory_format=memory)
    y = torch.randint(0, 10, (BATCH,))
    thresholds = [p for name, p in model.named_parameters() if name.split(".")[-1] == "s"]
    norms = [p for p in model.parameters() if p.dim() == 1]
    rest = [p for p in model.parameters() if p.dim() == 4]
    groups = [{"params": norms}, {"params": thresholds, "weight_decay": 0.0}, {"params": rest}]
    # So small a rate moves nothing into use or out of it.
    optimizer = torch.optim.SGD(groups, 1e-12, momentum=0.9, weight_decay=1e-3)
    best = math.inf
    for step in range(1 + steps):
        before = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(x), y, label_smoothing=0.1).backward()
        optimizer.step()
        best = min(best, time.perf_counter() - before) if step else best
    return 1e3 * best


def our_step(mask, density, steps, threads):
    """Fastest milliseconds of a step."""
    command = ["cargo", "bench", "--quiet", "-p", "shared", "--bench", "reparam", "--", "--json"]
    command += ["--masks", str(mask), "--densities", str(density), "--rounds", str(steps)]
    command += ["--threads", str(threads)] if threads else []
    return json.loads(subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout)["ms"]


def row(mask, density, options):
    """One line of the table."""
    common, formats = (options.steps, options.threads), [False, True]
    ours, peer = [], []
    for _ in range(options.rounds):
        ours.append(our_step(mask, density, *common))
        tried = [(in_process(torch_step, mask, density, *common, channels_last), channels_last) for channels_last in formats]
        fastest, channels_last = min(tried)
        formats = [channels_last]
        peer.append(fastest)
    return [f"{mask:g}", f"{density:g}", f"{min(ours):.0f}", f"{min(peer):.0f}", f"{min(peer) / min(ours):.1f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", default="1,0.3")
    parser.add_argument("--densities", default="1,0.5,0.2,0.1,0.05,0.02,0.01")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    head(["mask", "in use", "ms a step", "PyTorch, ms", "ratio"], options.threads)
    for mask in map(float, options.masks.split(",")):
        for density in map(float, options.densities.split(",")):
            if density <= mask:
                print(f"| {' | '.join(row(mask, density, options))} |", flush=True)


if __name__ == "__main__":
    main()
