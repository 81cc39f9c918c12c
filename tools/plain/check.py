"""Holds the plain modules against what diffusers made of the same weights, read from the golden file of the tests.

Run: python tools/plain/check.py     (PyTorch and numpy; diffusers is not needed)
Prints JSON: the largest difference of each output relative to its largest value; fails above 1e-4.
"""

import base64
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

root = Path(__file__).parents[2]
sys.path += [str(root / "tools/templates"), str(root / "tools/plain")]
import files  # noqa: E402
import load  # noqa: E402
from checkpoint_names import checkpoint_names  # noqa: E402
from checkpoint_weights import weights  # noqa: E402
from widths import END, SMALL, TOKENS  # noqa: E402

# The golden prompt in tokens.
PROMPT = (320, 1125, 539, 320, 736, 40749, 267, 272, 273, 269, 276, 260, 12567, 267, 1097, 35689, 563)


@torch.no_grad()
def main() -> None:
    golden = json.loads((root / "remote-agent/test/golden/checkpoints/sdxl.json").read_text())
    array = lambda name: torch.from_numpy(  # noqa: E731
        np.frombuffer(base64.b64decode(golden[name]["data"]), "<f4").reshape(golden[name]["dims"]).copy()
    )
    widths = SMALL["sdxl"]
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "checkpoint.safetensors"
        files.write(path, {n: torch.from_numpy(weights(n, s)) for n, s in checkpoint_names("sdxl", widths).items()})
        unet, vae = load.load_unet(path, widths), load.load_vae(path, widths)
        text = load.load_text(path, widths)
    ids = [torch.tensor([[END - 1, *PROMPT, END] + [p] * (TOKENS - len(PROMPT) - 2)]) for p in (END, 0)]
    hidden, pooled = load.parts.text_states(*text, *ids)
    output = unet(array("start"), torch.tensor([golden["timestep"]]), array("hidden"), array("pooled"), torch.tensor([[64.0, 64, 0, 0, 64, 64]]))
    made = {"hidden": hidden, "pooled": pooled, "output": output, "picture": vae(array("latents"))}
    errors = {n: float((v - array(n)).abs().max() / array(n).abs().max()) for n, v in made.items()}
    print(json.dumps(errors))
    if not max(errors.values()) < 1e-4:
        raise SystemExit("the plain modules do not compute what diffusers computes")


if __name__ == "__main__":
    main()
