"""Writes a checkpoint of SDXL with random weights: one .safetensors file, F16, names of latent diffusion.

Run: python tools/full-size/checkpoint.py OUT.safetensors [--widths full|small] [--seed N]
full: 2.6 billion weights in the U-Net, 6.9 GB in all; small: the same architecture with few channels.
Weights are drawn as layers are initialised, so that activations keep their size through the depth: matrices and
convolutions N(0, 1 / fan-in), what ends a residual branch a third of that, scales of norms about 1, biases about 0.
Each tensor is drawn and written by itself, a few at a time on as many threads; needs numpy and nothing else.
"""

import argparse
import json
import math
import os
import re
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "templates"))
from checkpoint_names import checkpoint_names  # noqa: E402
from widths import FULL, SMALL  # noqa: E402

# Ends of residual branches: with as many as SDXL has, full variance would make what they are added to grow with depth.
BRANCH_END = re.compile(
    r"(out_layers\.3|to_out\.0|ff\.net\.2|proj_out|conv2|self_attn\.out_proj|mlp\.fc2|attn\.out_proj|mlp\.c_proj)\.weight$"
)


def drawn(name: str, shape: tuple, rng: np.random.Generator) -> np.ndarray:
    """Weights of one tensor, f16."""
    values = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) > 1:
        # Embeddings are read by row: what they add up to has the width of the row, like a matrix's sums over fan-in.
        values *= (1 / 3 if BRANCH_END.search(name) else 1) / math.sqrt(math.prod(shape[1:]))
    elif name.endswith(".weight"):
        values = 1 + 0.05 * values
    else:
        values *= 0.02
    return values.astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--widths", choices=("full", "small"), default="full")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names = checkpoint_names("sdxl", (FULL if args.widths == "full" else SMALL)["sdxl"])
    header, end = {}, 0
    for name, shape in names.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    # Padded as the library does it, so that every tensor lies where its type may.
    text += b" " * (-len(text) % 8)
    with open(args.out, "wb") as file, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        file.write(struct.pack("<Q", len(text)) + text)
        file.flush()

        def write(at: int, name: str) -> None:
            # Each tensor from its own seed: it depends neither on the others nor on their order.
            data = memoryview(drawn(name, names[name], np.random.default_rng([args.seed, at]))).cast("B")
            place = 8 + len(text) + header[name]["data_offsets"][0]
            while data:
                written = os.pwrite(file.fileno(), data, place)
                data, place = data[written:], place + written

        for done in [threads.submit(write, at, name) for at, name in enumerate(names)]:
            done.result()
    unet = sum(math.prod(shape) for name, shape in names.items() if name.startswith("model.diffusion_model."))
    print(json.dumps({"tensors": len(names), "unetWeights": unet, "bytes": args.out.stat().st_size}))


if __name__ == "__main__":
    main()
