#!/bin/sh
# Makes all golden files anew, on one thread. Needs the Python packages of tools/requirements.txt: PYTHON names the
# interpreter. BASE (optional): torch folder of another base, for its training parity file, e.g. the small base's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=${XDG_CACHE_HOME:-$HOME/.cache}/para-studio-tools
python=${PYTHON:-$tools/venv/bin/python}
work=$HOME/.cache/para-studio-tools/golden
export OMP_NUM_THREADS=1
cd "$here"
"$python" bases.py "$@"
"$python" schedulers.py
"$python" rules.py
"$python" opsets.py
"$python" diffusion.py
"$python" checkpoints.py
"$python" training.py "$work"
"$python" unet_gradients.py
"$python" parity.py "$work/tiny-dynamo" --lora-rank 4
if [ -n "${BASE:-}" ]; then "$python" parity.py "$BASE" --name "$(basename "$BASE")"; fi
"$python" adapters.py
exports=$(mktemp -d)
(cd "$here/../.." && npx vite-node remote-agent/test/adapters/write-exports.ts "$exports")
"$python" verify_exports.py "$exports"
(cd "$here/../.." && PARA_HOME=$exports/home npx vite-node remote-agent/test/diffusion/write-checkpoint-exports.ts "$exports")
"$python" checkpoint_adapters.py "$exports"
rm -rf "$exports"
