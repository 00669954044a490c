#!/usr/bin/env bash
# What a machine with a GPU says of this program, in about ten minutes and a folder of small files:
# what it is, whether the tests pass there, digests of resumed runs, speed, and a short training.
#
#   bash benchmarks/accelerator.sh [FOLDER]     docs/results/accelerator, from a checkout that is installed
#                                               with '.[cuda13,test]'; PyTorch beside it competes
#
# PHOTOS=FOLDER trains `my_images` on photos; without it digits, which the package has. PYTHON: another
# interpreter. Of a CPU, with few steps, it says whether the script itself works: STEPS=2 CALLS=1.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-docs/results/accelerator}
python=${PYTHON:-.venv/bin/python}
steps=${STEPS:-5000}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out"
export XLA_PYTHON_CLIENT_PREALLOCATE=false # several processes share the memory

gan() { "$python" -m gan_jax "$@"; }

facts() {
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv
  lscpu | grep -E '^(Model name|CPU\(s\))'
  git log -1 --format='commit %h'
  "$python" -m pip list 2> "$scratch/pip" | grep -i -E '^(jax|jaxlib|torch|flax|nvidia-cudnn)'
  "$python" -c 'import jax; print(*jax.devices(), jax.devices()[0].memory_stats())'
}

# Maps, layers, nets and steps against what is known of them, in float32.
correctness() {
  JAX_DEFAULT_MATMUL_PRECISION=float32 JAX_PLATFORMS=cuda,cpu "$python" -m pytest -q -n 2 \
    tests/ops/bilinear_test.py tests/layers_test.py tests/nets tests/tasks 2>&1 | tail -n 15
}

# A whole run, the same again, and one that goes on from its last checkpoint but one.
digests() {
  local flags=(--config=quickstart "--config.steps=$steps" --config.least_s=0
    "--config.save_every=$(((steps + 3) / 4))" "$@")
  gan train "${flags[@]}" --workdir="$scratch/whole" &&
    gan train "${flags[@]}" --workdir="$scratch/again" || return
  cp -r "$scratch/again" "$scratch/resumed"
  rm -r "$scratch/resumed/checkpoints/$(ls "$scratch/resumed/checkpoints" | grep -E '^[0-9]+$' | sort -n | tail -1)"
  gan train "${flags[@]}" --workdir="$scratch/resumed"
  for run in whole again resumed; do
    echo "$* $run $(gan digest --workdir="$scratch/$run")" >> "$out/digests.txt"
    rm -rf "${scratch:?}/$run"
  done
}

speed() {
  local peer=()
  "$python" -c 'import torch' 2> "$scratch/torch" && peer=(--peer=torch)
  gan benchmark --config=dcgan64 --batch_size="$1" --precision="$2" "${@:3}" "${peer[@]}" --turns=5 \
    --steps="${CALLS:-5}" --overwrite --json="$out/dcgan64_b$1_$2${3:+_${3##*.}}.json"
}

training() {
  local what=(--config=dcgan_mnist --config.data.name=mnist5k)
  [ -z "${PHOTOS:-}" ] || what=(--config=my_images "--config.data.path=$PHOTOS")
  gan train "${what[@]}" "--config.steps=$((4 * steps))" --workdir="$scratch/run" &&
    gan evaluate --workdir="$scratch/run" && gan sample --workdir="$scratch/run" --output="$out/samples.png"
  tail -n 1 "$scratch/run/metrics.jsonl" > "$out/metrics.jsonl"
  cp "$scratch/run/evaluation.json" "$out/"
}

facts 2>&1 | tee "$out/facts.txt"
correctness | tee "$out/tests.txt"
rm -f "$out/digests.txt"
digests
digests --config.deterministic=False
for size in 64 256 1024; do
  for precision in float32 bfloat16; do
    speed "$size" "$precision"
  done
done
speed 64 float32 --config.deterministic=False
training 2>&1 | tee "$out/training.txt"
