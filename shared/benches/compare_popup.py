"""Times whole training steps of edge-popup in er_slt and in PyTorch on this machine and prints a table of times, ratios and memory.

PyTorch does what edge-popup usually does: dense frozen weights and biases, a score for each of them, and in each forward pass a 0/1
mask of the largest |score| of every layer, found by sorting them all, as published programs do; gradients go straight through to
scores. Values and scores outside the random mask of allowed positions are 0 and stay 0, so that the mask costs PyTorch nothing. The
"fastest choice" is that of sort, topk and kthvalue. PyTorch has the faster of its two memory formats, in which scores lie as
weights do. The first round of each case finds format and choice.

Both sides: batch 128, 3x32x32, random images, biases in every layer, normalisations without scale and shift, SGD on the scores with
momentum 0.9 and weight decay 5e-4, uniform random masks, float32, all cores unless --threads says otherwise. --kept is the fraction
of all weights and biases in use; its values go with those of --densities.

The sides take turns, each in a process of its own, and ratios are medians over the rounds, so that other load on the machine
cancels. Memory is the largest resident memory of the process, libraries and data included.

    pip install torch
    cargo build --release -p er_slt
    python shared/benches/compare_popup.py [--models resnet18,vgg16] [--densities 0.5,0.1] [--kept 0.2,0.05] [--steps 10]
                                           [--rounds 3] [--threads N] [--ours]
"""

import argparse
import math

import torch
from compare_torch import MODELS, head, in_process, measured, memory, middle, network, our_step, ratio
from torch import nn


class Choose(torch.autograd.Function):
    """1 for the largest magnitudes and 0 for the others; the gradient passes as if it were the magnitudes themselves."""

    @staticmethod
    def forward(ctx, magnitudes, keep, way):
        if way == "kthvalue":
            return (magnitudes >= magnitudes.kthvalue(magnitudes.numel() - keep + 1).values).to(magnitudes.dtype)
        if way == "topk":
            mask = torch.zeros_like(magnitudes)
            mask[magnitudes.topk(keep, sorted=False).indices] = 1
            return mask
        mask = torch.ones_like(magnitudes)
        mask[magnitudes.sort().indices[: magnitudes.numel() - keep]] = 0
        return mask

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


WAYS = ["sort", "topk", "kthvalue"]


class Popup(nn.Module):
    """A convolution or linear layer of which the largest scores choose weights and biases."""

    def __init__(self, shape, apply, density, kept, way, channels_last):
        super().__init__()
        weights, self.outputs = math.prod(shape), shape[0]
        self.shape, self.apply_to, self.way, self.channels_last = shape, apply, way, channels_last and len(shape) == 4
        allowed = torch.rand(weights + self.outputs) < density
        self.keep = min(int(kept * allowed.numel()), int(allowed.sum()))
        frozen = torch.randn(allowed.numel()) * math.sqrt(2 / math.prod(shape[1:]))
        frozen[weights:] *= 0.05
        self.weight, self.bias = self.parts(frozen * allowed)
        self.scores = nn.Parameter((torch.rand(allowed.numel()) - 0.5) * allowed)

    def parts(self, flat):
        """Weights and biases of what has both; weights lie as the memory format wants them."""
        weight, bias = flat[: -self.outputs], flat[-self.outputs :]
        if self.channels_last:
            outputs, inputs, height, width = self.shape
            return weight.view(outputs, height, width, inputs).permute(0, 3, 1, 2), bias
        return weight.view(self.shape), bias

    def forward(self, x):
        of_weight, of_bias = self.parts(Choose.apply(self.scores.abs(), self.keep, self.way))
        return self.apply_to(x, self.weight * of_weight, self.bias * of_bias)


class PopupLayers:
    """Layers of edge-popup."""

    def __init__(self, *options):
        self.options = options

    def conv(self, inputs, outputs, side, stride=1):
        def apply(x, weight, bias):
            return nn.functional.conv2d(x, weight, bias, stride, side // 2)

        return nn.Sequential(Popup((outputs, inputs, side, side), apply, *self.options), nn.BatchNorm2d(outputs, affine=False))

    def linear(self, inputs, outputs, bias):
        return Popup((outputs, inputs), nn.functional.linear, *self.options)


def torch_step(name, density, kept, way, steps, threads, channels_last):
    """Edge-popup; see `measured`."""
    model, x, y = network(name, PopupLayers(density, kept, way, channels_last), threads, channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return measured(step, steps)


def row(name, density, kept, options):
    """One line of the table."""
    arguments, common = ["--er-init-density", density, "--sparsity", kept], (options.steps, options.threads)
    case = (name, float(density), float(kept))
    formats, ways = [False, True], WAYS
    ours, usual, best = [], [], []
    for _ in range(options.rounds):
        ours.append(our_step("er_slt", name, arguments, *common))
        if options.ours:
            continue
        tried = [(in_process(torch_step, *case, "sort", *common, channels_last), channels_last) for channels_last in formats]
        sorting, channels_last = min(tried)
        timed = {way: sorting if way == "sort" else in_process(torch_step, *case, way, *common, channels_last) for way in ways}
        way = min(ways, key=timed.get)
        formats, ways = [channels_last], [way]
        usual.append(sorting)
        best.append(timed[way])

    def time(side):
        return f"{1000 * middle(lambda seconds: seconds, side):.0f}"

    cells = [name, density, kept, time(ours)]
    if not options.ours:
        cells += [time(usual), ratio(ours, usual), way, time(best), ratio(ours, best)]
    return cells + [memory(ours)] + ([memory(usual)] if not options.ours else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="resnet18,vgg16")
    parser.add_argument("--densities", default="0.5,0.1", help="--er-init-density")
    parser.add_argument("--kept", default="0.2,0.05", help="--sparsity, one for each of --densities or one for all")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ours", action="store_true", help="er_slt alone")
    options = parser.parse_args()
    models, densities, kept = (getattr(options, option).split(",") for option in ("models", "densities", "kept"))
    kept = kept * len(densities) if len(kept) == 1 else kept
    if len(kept) != len(densities):
        parser.error("--kept: one for each of --densities, or one for all")
    if unknown := [name for name in models if name not in MODELS]:
        parser.error(f"--models: {', '.join(unknown)}: not one of {', '.join(MODELS)}")
    titles = ["network", "allowed", "kept", "ms a step"]
    titles += [] if options.ours else ["PyTorch, ms", "ratio", "fastest choice", "PyTorch, ms", "ratio"]
    titles += ["memory, MiB"] + ([] if options.ours else ["PyTorch memory, MiB"])
    head(titles, options.threads)
    for name in models:
        for density, fraction in zip(densities, kept):
            print(f"| {' | '.join(row(name, density, fraction, options))} |", flush=True)


if __name__ == "__main__":
    main()
