#!/usr/bin/env python3
"""Follows docs/extending.md to the letter in a copy of the toolkit: adds the distribution, method, score and model of its recipes as files of the
toolkit, each with its line in the list that the recipe names, and runs the tests that it names.

    scripts/extending.py            # in a temporary folder, five to ten minutes on two cores
    scripts/extending.py FOLDER     # in this folder, which is left there
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Where the modules of `shared` come from.
CRATES = {
    "er_graphs": {"Error", "Result", "density", "graph", "registry", "statistics::bipartite"},
    "er_networks": {"model", "schedule", "score", "topology"},
    "er_training": {"train"},
}

# Heading of the recipe, crate, file to make, file with the list, the list's beginning, its new line.
ADDED = [
    ("In a crate of your own", "er_graphs", "shared/graphs/src/density/inverse_size.rs", "shared/graphs/src/density/distribution.rs",
     "Registry::new(&[\n", "    &crate::density::inverse_size::InverseSize,\n"),
    ("A method", "er_training", "shared/training/src/train/methods/rigl_taylor.rs", "shared/training/src/train/methods/published.rs",
     "const ALL: &[&dyn TrainingMethod] = &[\n", "    &super::rigl_taylor::RigLTaylor,\n"),
    ("A score", "er_networks", "shared/networks/src/topology/rule/drop/weight_flow.rs", "shared/networks/src/topology/rule/drop/mod.rs",
     "Registry::new(&[", "&weight_flow::WeightFlow, "),
    ("A model", "er_networks", "shared/networks/src/model/stack.rs", "shared/networks/src/model/catalogue.rs",
     "static FAMILIES: Registry<Family> = Registry::new(&[\n", "    &super::stack::STACK,\n"),
]

# Page, the row above, the new row.
NAMED = [
    ("docs/methods.md", r"\| `ERK_plus`.*\n", "| `inverse_size` | density ∝ N_l^-a | exact | an example |\n"),
    ("docs/methods.md", r"\| grow: at random without.*\n", "| drop: by `weight_flow`, \\|w\\| times synaptic flow | `DropScore` | an example |\n"),
    ("docs/methods.md", r"\| `Top-KAST` \| the largest.*\n",
     "| `RigL-Taylor` | random, 0.05 | | Taylor_FO, ⌊f·n⌋ | gradient | none | an example |\n"),
    ("docs/er_dst.md", r"(?s).*\n", "`RigL-Taylor` is an example.\n"),
]

# Programs that use what was added, and the tests.
COMMANDS = [
    "cargo run -q -p er_dst -- show --model stack-3-16 --input 3x8x8 --data synthetic --classes 10 --method RigL-Taylor"
    " --sparse-init inverse_size:a=1 --death weight_flow --density 0.1",
    "cargo run -q -p er_dst -- flops --model stack-3-16 --input 3x8x8 --data synthetic --classes 10 --method RigL-Taylor --density 0.1",
    "cargo run -q -p er_dst -- --model stack-2-8 --data digits --method RigL-Taylor --sparse-init inverse_size --death weight_flow"
    " --density 0.2 --epochs 1 --update-frequency 3 --quiet --out {out}",
    "cargo test -q -p er_graphs -p er_networks -p er_training --lib",
    "cargo test -q -p shared --test all -- registry densities rules models documentation",
    "cargo test -q -p er_dst --test all -- show mistakes",
]


def recipe(page: str, heading: str) -> str:
    """The first Rust snippet below a heading, without what a program's `main` does."""
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    snippet = re.search(r"```rust[^\n]*\n(.*?)```", section, flags=re.S)[1]
    return re.split(r"\nfn main\(\)", snippet)[0].rstrip() + "\n"


def for_crate(snippet: str, crate: str) -> str:
    """The snippet with the crates' names in place of `shared`, and visible to the list."""
    def path(match: re.Match) -> str:
        owner = next(c for c, modules in CRATES.items() if any(match[1].startswith(m) for m in modules))
        return ("crate" if owner == crate else owner) + "::" + match[1]

    text = re.sub(r"\bshared::([\w:]+)", path, snippet)
    # What `main` alone uses.
    text = text.replace("use std::process::ExitCode;\n\n", "").replace("use std::process::ExitCode;\n", "")
    text = text.replace("registry::{Door, Named, Parameter}", "registry::{Named, Parameter}")
    text = re.sub(r"(?m)^(struct|static)", r"pub(super) \1", text)
    return "//! A recipe of docs/extending.md.\n\n" + text


def edit(file: Path, pattern: str, new: str) -> None:
    text = file.read_text()
    found = list(re.finditer(pattern, text))
    assert found, f"{file}: nothing like {pattern!r}"
    file.write_text(text[: found[0].end()] + new + text[found[0].end() :])


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="extending-"))
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    page = (ROOT / "docs/extending.md").read_text()
    for heading, crate, file, listing, begins, line in ADDED:
        (folder / file).write_text(for_crate(recipe(page, heading), crate))
        edit(folder / listing, re.escape(begins), line)
        edit(folder / Path(file).parent / "mod.rs", r"\n\n(?=mod )", f"mod {Path(file).stem};\n")
    for name, after, row in NAMED:
        edit(folder / name, after, row)
    for command in COMMANDS:
        words = command.format(out=folder / "runs")
        print(f"$ {words}", flush=True)
        subprocess.run(words.split(), cwd=folder, check=True)
    if len(sys.argv) == 1:
        shutil.rmtree(folder)
    print("The recipes work as they are written.")


if __name__ == "__main__":
    main()
