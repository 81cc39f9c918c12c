#!/usr/bin/env bash
# Makes pocket-sdxl from scratch: about four and a half hours on two cores. Every step resumes where it was.
# Without its state: ../torch_pipeline.py BASE "$home/pocket/torch" reads the weights back from the shipped files; the vae/
# in there, copied to "$home/pocket/vae-refined", is what vae.py --refine goes on from.
set -euo pipefail
cd "$(dirname "$0")"
home="${PARA_TOOLS_HOME:-$HOME/.cache/para-studio-tools}"
mkdir -p "$home/npm"
[ -d "$home/venv" ] || python3 -m venv "$home/venv"
"$home/venv/bin/pip" install -q -r ../requirements.txt
(cd "$home/npm" && npm install --no-audit --no-fund @iconify-json/noto@1.2.9 @iconify-json/fluent-emoji@1.2.7)
python="$home/venv/bin/python"
[ -f "$home/pocket/vae_held.npy" ] || "$python" data.py --count 40000
"$python" vae.py --steps 2400
[ -f "$home/pocket/latents.npy" ] || "$python" vae.py --whiten
[ -d "$home/pocket/vae-refined" ] || "$python" vae.py --refine --steps 7000 --lr 1.5e-3 --saturated 0.625
"$python" diffusion.py --steps 100000 --minutes "${MINUTES:-140}"
"$python" diffusion.py --save
"$python" export.py ../../remote-agent/bases/pocket-sdxl
"$python" contact.py
"$python" judge.py
