"""The golden checkpoints as optimum exports them: graphs whose weights are those of the checkpoint, and are not kept.

Used by checkpoints.py. Writes <architecture>.optimum.json.gz: by part the graph (base64), what lies in its model.onnx_data
one after another (name in the checkpoint, shape of the tensor there, which third of it or None, whether turned), and the
configs. Whoever fills that file has the folder that optimum writes of the model.
"""

import base64
import gzip
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
from checkpoint_weights import weights
from onnx import TensorProto, numpy_helper
from optimum.exporters.onnx import main_export

# Constants of the graph that are no weights stay in it.
INLINE = 1024


def key(array: np.ndarray) -> tuple:
    return array.size, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()


def forms(names: dict[str, tuple]) -> dict[tuple, tuple]:
    """Every weight of the checkpoint as a graph may hold it: whole or a third of it, as it is or turned."""
    found = {}
    for name, shape in names.items():
        array = weights(name, shape)
        whole = [(array, None)]
        if ".in_proj_" in name:
            whole = [(third, i) for i, third in enumerate(np.split(array, 3))]
        for part, third in whole:
            found.setdefault(key(part), (name, list(part.shape), third, False))
            # Convolutions of one pixel are linear layers to the VAE's attention.
            if part.ndim > 1 and math.prod(part.shape[2:]) == 1:
                turned = part.reshape(part.shape[:2]).T
                found.setdefault(key(turned), (name, list(turned.shape), third, True))
    return found


def without_weights(path: Path, known: dict[tuple, tuple]) -> dict:
    model = onnx.load(str(path))
    places, offset = [], 0
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        form = known.get(key(array)) if array.dtype == np.float32 and array.size > 1 else None
        if form is None:
            if array.size > INLINE and array.dtype == np.float32:
                raise SystemExit(f"{path}: {tensor.name} {array.shape} is no weight of the checkpoint")
            continue
        name, _, third, turned = form
        places.append([name, list(array.shape), third, turned])
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for entry, value in (("location", "model.onnx_data"), ("offset", offset), ("length", array.nbytes)):
            added = tensor.external_data.add()
            added.key, added.value = entry, str(value)
        offset += array.nbytes
    del model.graph.value_info[:], model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
    return {"graph": base64.b64encode(model.SerializeToString(deterministic=True)).decode(), "weights": places}


def write_optimum(saved: Path, work: Path, names: dict[str, tuple], out: Path) -> None:
    """`saved`: the model as diffusers saves it."""
    main_export(str(saved), output=str(work), task="text-to-image", library_name="diffusers", opset=18, do_validation=False)
    known = forms(names)
    parts = {path.parent.name: without_weights(path, known) for path in sorted(work.glob("*/model.onnx"))}
    used = {place[0] for part in parts.values() for place in part["weights"]}
    configs = {}
    for path in sorted(work.rglob("*.json")):
        if path.name in ("vocab.json", "tokenizer.json"):
            continue
        data = json.loads(path.read_text())
        configs[str(path.relative_to(work))] = {k: v for k, v in data.items() if not k.startswith("_name")}
    out.write_bytes(gzip.compress(json.dumps({"parts": parts, "configs": configs}).encode(), mtime=0))
    print(f"  {out.name}: {len(used)} of {len(names)} weights, {out.stat().st_size} bytes")
