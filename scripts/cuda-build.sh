#!/usr/bin/env bash
# Builds the programs for NVIDIA GPUs on a machine that needs neither a GPU nor an installed CUDA toolkit; see docs/cuda.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/cuda-build.sh [CAPABILITY [CARGO COMMAND ...]]

Builds the release programs with CUDA into target/cuda/release; or does what the cargo command says, with CUDA: on a machine with a
GPU, 'test -p shared --test conformance' compares the engines there, and 'bench -p shared --bench engines' times them.

CAPABILITY is the compute capability of the GPU they are for, like 8.6 or 9.0; newer GPUs run them as well. Without it, what
nvidia-smi says of the first GPU, else 9.0.

Needs cargo, gcc, g++ and python3 with its venv module. CUDA's compiler, headers and libraries come from the Python package
index into target/cuda/venv (0.6 GB to fetch, 1.1 GB on disk); nothing is installed anywhere else.
TEXT
}

fail() {
    echo "cuda-build: $1" >&2
    exit 1
}

# All of one CUDA release, and all of them: without dependencies pip would take some from later ones.
packages=(
    nvidia-cublas==13.0.2.14
    nvidia-cuda-cccl==13.0.85
    nvidia-cuda-crt==13.0.88
    nvidia-cuda-nvcc==13.0.88
    nvidia-cuda-nvrtc==13.0.88
    nvidia-cuda-runtime==13.0.96
    nvidia-nvvm==13.0.88
)

if [ "${1-}" = --help ] || [ "${1-}" = -h ]; then
    usage
    exit
fi
capability=${1-}
command=("${@:2}")
if [ -z "$capability" ]; then
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 || true)
    [[ $capability =~ ^[0-9]+\.[0-9]$ ]] || capability=9.0
fi
[[ $capability =~ ^[0-9]+\.[0-9]$ ]] || fail "'$capability' is no compute capability; they look like 9.0"

for tool in cargo gcc g++ python3; do
    command -v "$tool" >/dev/null || fail "$tool is missing; docs/cuda.md says how to install it"
done

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
out=$PWD/target/cuda
venv=$out/venv
mkdir -p "$out"

# The list is written last, so what was interrupted is fetched again.
if [ "$(cat "$venv/packages" 2>/dev/null)" != "${packages[*]}" ]; then
    echo "cuda-build: fetching CUDA into target/cuda/venv"
    rm -rf "$venv"
    python3 -m venv "$venv" >/dev/null || fail "python3 cannot make a virtual environment; install python3-venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "${packages[@]}" \
        || fail "pip could not fetch CUDA; what it says is above"
    echo "${packages[*]}" >"$venv/packages"
fi
cuda=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nvidia/cu13

codes=$("$cuda/bin/nvcc" --list-gpu-code | tr '\n' ' ')
[[ " $codes" == *" sm_${capability/./} "* ]] || fail "CUDA 13.0 cannot build for $capability; it knows $codes"

# The packages have libraries to run with, without the names that linkers look for.
for library in cublas cublasLt nvrtc; do
    ln -sf "lib$library.so.13" "$cuda/lib/lib$library.so"
done

# The driver's library comes with a driver only. This one has the functions that CUDA 13.0's header declares, all of which fail, and is
# for linking: its file is not called what programs look for, so none can start with it.
stubs=$cuda/lib64/stubs
mkdir -p "$stubs"
gcc -E -P -D__CUDA_API_VERSION_INTERNAL "$cuda/include/cuda.h" | grep -oE '\bcu[A-Z][A-Za-z0-9_]* *\(' | tr -d ' (' | sort -u \
    | sed 's/.*/int &(void) { return 34; } \/\/ CUDA_ERROR_STUB_LIBRARY/' >"$stubs/libcuda.c"
gcc -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$stubs/libcuda.so" "$stubs/libcuda.c"

# dfdx's build asks nvidia-smi what to build for. Here it hears what was asked for, whichever GPU this machine has.
mkdir -p "$out/bin"
printf '#!/bin/sh\nprintf "compute_cap\\n%s\\n"\n' "$capability" >"$out/bin/nvidia-smi"
chmod +x "$out/bin/nvidia-smi"

# The capability is in the environment as well, so that cargo builds the kernels again when it is another one.
export PATH=$out/bin:$cuda/bin:$PATH CUDA_PATH=$cuda CUDA_COMPUTE_CAP=${capability/./}
if [ ${#command[@]} -gt 0 ]; then
    export LD_LIBRARY_PATH=$cuda/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    exec cargo "${command[0]}" --locked --features cuda --target-dir "$out" "${command[@]:1}"
fi
cargo build --release --locked --workspace --bins --features cuda --target-dir "$out"

cat <<TEXT

Built for compute capability $capability and newer:
$(find "$out/release" -maxdepth 1 -name 'er_*' -executable -type f | sort | sed 's/^/  /')

They need at run time: a GPU with NVIDIA's driver, 580 or newer (libcuda.so.1), and from CUDA 13 libcublas.so.13 and libnvrtc.so.13,
which are found by
  export LD_LIBRARY_PATH=$cuda/lib
TEXT
