"""Writes what both sides of the full-size check start from: inputs of three steps and values of the adapters.

Run: python tools/full-size/values.py FOLDER [--widths full|small] [--latent 64] [--lora-rank 16] [--gamma 0.025]
Writes, all exact in f16, from one seed each:
  FOLDER/inputs.safetensors   noisy, target [3, 4, latent, latent], hidden [3, 77, width], pooled, time_ids, timesteps;
                              row k belongs to step k
  FOLDER/lora.safetensors     <path>.lora_A.weight [rank, dIn], <path>.lora_B.weight [dOut, rank], attention layers
  FOLDER/para.safetensors     <path>.para_B.weight [dOut, rank], rank = max(1, floor(gamma dOut))
Neither adapter is at its usual start: LoRA's B is not zero, or A would have no gradient.
"""

import argparse
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch

tools = Path(__file__).parents[1]
sys.path += [str(tools / "golden"), str(tools / "templates"), str(tools / "plain")]
import files  # noqa: E402
import oracle  # noqa: E402
from load import widths_of  # noqa: E402
from unet import Unet  # noqa: E402
from widths import TOKENS  # noqa: E402

STEPS, TIMESTEPS = 3, (77, 481, 903)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--widths", choices=("full", "small"), default="full")
    parser.add_argument("--latent", type=int, default=64)
    parser.add_argument("--lora-rank", type=int, default=16)
    parser.add_argument("--gamma", type=float, default=1 / 40)
    args = parser.parse_args()
    widths = widths_of(args.widths)
    with torch.device("meta"):
        unet = Unet(widths)
    rng = np.random.default_rng(41)
    latent, pixels = (STEPS, 4, args.latent, args.latent), 8.0 * args.latent
    inputs = {
        "noisy": oracle.tensor(rng, *latent), "target": oracle.tensor(rng, *latent),
        "hidden": oracle.tensor(rng, STEPS, TOKENS, sum(widths.text)),
        "pooled": oracle.tensor(rng, STEPS, widths.projection),
        "time_ids": torch.tensor([[pixels, pixels, 0, 0, pixels, pixels]]).repeat(STEPS, 1),
        "timesteps": torch.tensor(TIMESTEPS).float(),
    }
    files.write(args.folder / "inputs.safetensors", {name: value.half() for name, value in inputs.items()})
    lora, para = {}, {}
    for path, (_, shape) in oracle.modules(unet).items():
        if not re.match(oracle.ATTENTION, path):
            continue
        out, into = shape
        rank = max(1, math.floor(args.gamma * out + 1e-9))
        lora[f"{path}.lora_A.weight"] = oracle.tensor(rng, args.lora_rank, into, scale=into**-0.5).half()
        lora[f"{path}.lora_B.weight"] = oracle.tensor(rng, out, args.lora_rank, scale=0.05).half()
        para[f"{path}.para_B.weight"] = oracle.tensor(rng, out, rank, scale=0.02).half()
    files.write(args.folder / "lora.safetensors", lora)
    files.write(args.folder / "para.safetensors", para)


if __name__ == "__main__":
    main()
