"""Loads our adapters for the golden checkpoints with diffusers and notes what ten steps with them give.

1. PARA_HOME=FOLDER/home npx vite-node remote-agent/test/diffusion/write-checkpoint-exports.ts FOLDER
2. python tools/golden/checkpoint_adapters.py FOLDER      (writes remote-agent/test/golden/checkpoints/adapters.json)
Per case: SHA-256 of the file, and the latents. Every tensor of a file must find its layer.
"""

import base64
import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

import checkpoints
from checkpoints import NEGATIVE, OUT, PROMPT, SMALL, packed


def adapted(pipe) -> int:
    """Number of layers that an adapter changes."""
    return sum(1 for module in pipe.unet.modules() if hasattr(module, "lora_A") and len(module.lora_A) > 0)


@torch.no_grad()
def main(folder: Path) -> None:
    found = {}
    for architecture, widths in SMALL.items():
        golden = json.loads((OUT / f"{architecture}.json").read_text())
        start = torch.tensor(np.frombuffer(base64.b64decode(golden["start"]["data"]), "<f4").reshape(1, 4, 8, 8).copy())
        names = checkpoints.checkpoint_names(architecture, widths)
        for path in sorted(folder.glob(f"{architecture}-*.safetensors")):
            with tempfile.TemporaryDirectory() as work:
                pipe = checkpoints.load(architecture, widths, Path(work), names)
            pipe.set_progress_bar_config(disable=True)
            pipe.load_lora_weights(str(path))
            with safe_open(path, "np") as file:
                layers = sum(1 for key in file.keys() if "lora_down" in key or "lora_A" in key)
            if adapted(pipe) != layers:
                raise SystemExit(f"{path.name}: {layers} layers, but {adapted(pipe)} were found")
            latents = pipe(
                PROMPT, negative_prompt=NEGATIVE, num_inference_steps=10, guidance_scale=5.0, latents=start.clone(),
                output_type="latent", height=64, width=64,
            ).images
            found[path.stem] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "latents": packed(latents)}
            print(f"{path.stem}: {layers} layers", flush=True)
    (OUT / "adapters.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
