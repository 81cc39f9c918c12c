"""Writes a full-size checkpoint whose numbers are all zero and take no room on the disk: what an import is measured on.

Run: python tools/empty_checkpoint.py {sdxl|sd} {F32|F16|BF16} OUT.safetensors
"""

import json
import math
import struct
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "templates"))
from checkpoint_names import checkpoint_names  # noqa: E402
from widths import FULL  # noqa: E402


def main(architecture: str, dtype: str, out: str) -> None:
    header, end = {}, 0
    for name, shape in checkpoint_names(architecture, FULL[architecture]).items():
        begin, end = end, end + math.prod(shape) * {"F32": 4, "F16": 2, "BF16": 2}[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(out, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


if __name__ == "__main__":
    main(*sys.argv[1:])
