"""PyTorch's f64 gradients of a whole U-Net with respect to adapters on linear and convolution layers, for both bases.

Run: python tools/golden/unet_gradients.py      (after bases.py)
Writes remote-agent/test/golden/unet/<base>.safetensors and <base>.modules.json ({path: [kind, weight shape]} of all
linear and convolution layers). Tensors, all f32 or f16 (inputs and starting values are exact in f16):
in.{latents,target,timesteps,hidden,pooled,time_ids}; output (no adapter); and for m = lora, para:
m.loss, m.output, m.start.<key>, m.grad.<key>, keys `<path>.lora_A.weight` [r, dIn(,k,k)], `<path>.lora_B.weight`
[dOut, r(,1,1)], `<path>.para_B.weight` [dOut, r]. Loss = mean((unet - target)^2).
LoRA: y = W x + B A x with r = 4 (scale 1). PaRa: y = (I - Q Q^T) W x + bias, r = 2, Q = basis of span(B) by autograd
through a QR factorisation.
"""

import json
import re
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import oracle
from bases import BASES, GOLDEN, HOME

OUT = GOLDEN / "unet"
CONVS = r".*(resnets\.0\.conv1|downsamplers\.0\.conv|upsamplers\.0\.conv|conv_shortcut|proj_in)$|^conv_in$|^conv_out$"
FF = r".*(ff\.net\.0\.proj|ff\.net\.2|time_emb_proj|linear_1)$"


class Adapted(torch.nn.Module):
    """A layer with an adapter by its definition, in whatever precision its tensors have."""

    def __init__(self, layer, start):
        super().__init__()
        self.layer = layer
        self.values = torch.nn.ParameterDict({k: torch.nn.Parameter(v.double()) for k, v in start.items()})

    def plain(self, x):
        if isinstance(self.layer, torch.nn.Linear):
            return F.linear(x, self.layer.weight)
        return F.conv2d(x, self.layer.weight, None, self.layer.stride, self.layer.padding)

    def forward(self, x, *_, **__):
        y, conv = self.plain(x), isinstance(self.layer, torch.nn.Conv2d)
        if "para_B" in self.values:
            q, _ = torch.linalg.qr(self.values["para_B"])
            p = q @ q.T
            y = y - (torch.einsum("oc,nchw->nohw", p, y) if conv else y @ p)
        elif conv:
            y = y + F.conv2d(F.conv2d(x, self.values["lora_A"], None, self.layer.stride, self.layer.padding), self.values["lora_B"])
        else:
            y = y + F.linear(F.linear(x, self.values["lora_A"]), self.values["lora_B"])
        if self.layer.bias is None:
            return y
        return y + (self.layer.bias[:, None, None] if conv else self.layer.bias)


def starts(layer, method, rng):
    out, into, *kernel = layer.weight.shape
    if method == "para":
        return {"para_B": oracle.tensor(rng, out, 2, scale=0.02)}
    fan = into * int(np.prod(kernel or [1]))
    return {"lora_A": oracle.tensor(rng, 4, into, *kernel, scale=fan**-0.5),
            "lora_B": oracle.tensor(rng, out, 4, *[1 for _ in kernel], scale=0.1)}


def make(name):
    folder, rng = HOME / name, np.random.default_rng(23)
    size = oracle.shapes(folder)
    data = oracle.conditions(size, 2, rng)
    latents, target = oracle.tensor(rng, 2, *size["latent"]), oracle.tensor(rng, 2, *size["latent"])
    times = torch.tensor([77.0, 640.0] if name == "tiny-optimum" else [321.0, 321.0])
    tensors = {f"in.{k}": v for k, v in {**data, "latents": latents, "target": target}.items()}
    # One number for the whole batch where the exported graph takes one.
    tensors["in.timesteps"] = times if name == "tiny-optimum" else times[:1]
    tensors = {k: v.float() if k in ("in.timesteps", "in.time_ids") else v.half() for k, v in tensors.items()}
    for method in ("lora", "para"):
        unet = oracle.load_unet(folder, torch.float64)
        if method == "lora":
            with torch.no_grad():
                tensors["output"] = oracle.predict(unet, latents.double(), times.double(), data).float()
            (OUT / f"{name}.modules.json").write_text(json.dumps(oracle.modules(unet), indent=0) + "\n")
        chosen = {n: m for n, m in unet.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))
                  and any(re.match(p, n) for p in (oracle.ATTENTION, CONVS, FF))}
        adapted = {}
        for path, layer in chosen.items():
            start = starts(layer, method, rng)
            parent, _, last = path.rpartition(".")
            adapted[path] = Adapted(layer, start)
            setattr(unet.get_submodule(parent), last, adapted[path])
            tensors |= {f"{method}.start.{path}.{k}.weight": v.half() for k, v in start.items()}
        y = oracle.predict(unet, latents.double(), times.double(), data)
        loss = ((y - target) ** 2).mean()
        loss.backward()
        tensors[f"{method}.loss"], tensors[f"{method}.output"] = loss.detach().reshape(1).float(), y.detach().float()
        for path, module in adapted.items():
            tensors |= {f"{method}.grad.{path}.{k}.weight": v.grad.float() for k, v in module.values.items()}
        print(name, method, len(adapted), "layers, loss", loss.item())
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{name}.safetensors")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for base in sys.argv[1:] or BASES:
        make(base)
