"""Reads and writes .safetensors files with PyTorch alone."""

import json
import math
import struct
from pathlib import Path

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Tensors:
    """The tensors of a file, each read when it is asked for."""

    def __init__(self, path: Path):
        self._file = open(path, "rb")
        (length,) = struct.unpack("<Q", self._file.read(8))
        header = json.loads(self._file.read(length))
        self._start = 8 + length
        self.metadata = header.pop("__metadata__", {})
        self._entries = header

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self, prefix: str = "") -> list[str]:
        return [name for name in self._entries if name.startswith(prefix)]

    def read(self, name: str) -> torch.Tensor:
        entry = self._entries[name]
        tensor = torch.empty(entry["shape"], dtype=TYPES[entry["dtype"]])
        self._file.seek(self._start + entry["data_offsets"][0])
        # Bytes of the tensor itself: nothing is held twice.
        self._file.readinto(memoryview(tensor.view(-1).view(torch.uint8).numpy()))
        return tensor

    def all(self) -> dict[str, torch.Tensor]:
        return {name: self.read(name) for name in self._entries}


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    names = {kind: name for name, kind in TYPES.items()}
    header, end = ({"__metadata__": metadata} if metadata else {}), 0
    for name, tensor in tensors.items():
        begin, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
