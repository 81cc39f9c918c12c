"""One small module exported at several operator sets by both exporters, with PyTorch's f64 output and gradients.

Run: python tools/golden/opsets.py
Writes remote-agent/test/golden/opsets/<exporter>-<opset>.onnx (inputs x, w; output y) and values.safetensors:
in.x, in.w, weights (all f32), y, grad.x, grad.w (f64, rounded to f32), loss = sum(weights * y).
The module holds what changes its form between the operator sets: normalisations, means over axes, splits, padding,
enlargement, clipping, GELU and attention.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parents[2] / "remote-agent/test/golden/opsets"
FILES = [("torchscript", 14), ("torchscript", 17), ("torchscript", 18), ("dynamo", 18), ("dynamo", 21), ("dynamo", 23)]


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, stride=2)
        self.group = torch.nn.GroupNorm(4, 8)
        self.layer = torch.nn.LayerNorm(8)
        self.gated = torch.nn.Linear(8, 12)
        self.out = torch.nn.Linear(6, 8)

    def forward(self, x, w):
        h = F.silu(self.group(self.conv(F.pad(x, (0, 1, 0, 1)))))
        tokens = self.layer(h.flatten(2).transpose(1, 2))
        q, k, v = (tokens @ w).chunk(3, dim=-1)
        heads = [t.unflatten(-1, (2, 4)).transpose(1, 2) for t in (q, k, v)]
        attended = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        value, gate = self.gated(attended + tokens).chunk(2, dim=-1)
        tokens = self.out(value * F.gelu(gate)) + tokens
        tokens = tokens / tokens.square().mean((1, 2), keepdim=True).sqrt()
        large = F.interpolate(tokens.transpose(1, 2).unflatten(2, h.shape[2:]), scale_factor=2.0, mode="nearest")
        pooled = large.mean((2, 3)).clamp(-0.5, 0.5) + torch.linalg.vector_norm(large, dim=(2, 3))
        return large.sum(1) * pooled.mean(1)[:, None, None]


def draw(rng, *dims, scale=1.0):
    return torch.from_numpy((rng.standard_normal(dims) * scale).astype(np.float32))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(41)
    module = Small().eval().requires_grad_(False)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(draw(rng, *p.shape, scale=0.5))
    x, w = draw(rng, 2, 3, 6, 6), draw(rng, 8, 24, scale=0.5)
    for exporter, opset in FILES:
        path = OUT / f"{exporter}-{opset}.onnx"
        dynamo = exporter == "dynamo"
        more = {"external_data": False, "verbose": False} if dynamo else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x, w), str(path), input_names=["x", "w"], output_names=["y"],
                              opset_version=opset, dynamo=dynamo, **more)
        model = onnx.load(path)
        # Traces of the machine it ran on; nothing reads them.
        for node in model.graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
            del value.metadata_props[:]
        del model.graph.metadata_props[:], model.metadata_props[:], model.graph.value_info[:]
        onnx.save(model, path)
        found = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
        assert found == [opset], (path.name, found)
        print(path.name, path.stat().st_size, sorted({n.op_type for n in model.graph.node}))
    exact = module.double()
    x, w = x.double().requires_grad_(), w.double().requires_grad_()
    y = exact(x, w)
    weights = draw(rng, *y.shape)
    (y * weights).sum().backward()
    tensors = {"in.x": x, "in.w": w, "weights": weights, "y": y, "grad.x": x.grad, "grad.w": w.grad}
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()}, OUT / "values.safetensors")


if __name__ == "__main__":
    main()
