"""PyTorch's side at full size: diffusers' U-Net and PEFT's adapters where they are installed, plain modules elsewhere."""

import math
import re
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import load
import oracle
import unet as plain_unet
from widths import Widths

LIBRARIES = ("diffusers", "peft", "plain")


def choose(wanted: str, method: str) -> tuple[str, str]:
    """The first of `LIBRARIES` that loads here and has the method, or the one that is wanted; and what it is, in words."""
    torch_words = f"PyTorch {torch.__version__}"
    # Drawing needs no adapter, and not every PEFT has PaRa's.
    needed = {"lora": "LoraConfig", "para": "DeftConfig"}.get(method)
    if wanted in ("auto", "diffusers"):
        try:
            import diffusers
            import peft
            from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint  # noqa: F401

            assert needed is None or hasattr(peft, needed)
            return "diffusers", f"{torch_words}, diffusers {diffusers.__version__}, PEFT {peft.__version__}"
        except Exception:
            if wanted == "diffusers":
                raise
    if wanted in ("auto", "peft"):
        try:
            import peft

            assert needed is None or hasattr(peft, needed)
            return "peft", f"{torch_words}, PEFT {peft.__version__}, U-Net in plain modules with SDPA (no diffusers here)"
        except Exception:
            if wanted == "peft":
                raise
    return "plain", f"{torch_words}, U-Net and adapters in plain modules with SDPA (no diffusers or PEFT here)"


class Diffusers(nn.Module):
    """diffusers' U-Net called like the plain one; its modules keep their paths."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, noisy, timesteps, hidden, pooled, time_ids):
        dtype = self.inner.conv_in.weight.dtype
        added = {"text_embeds": pooled.to(dtype), "time_ids": time_ids}
        return self.inner(noisy.to(dtype), timesteps, hidden.to(dtype), added_cond_kwargs=added).sample


def load_unet(library: str, checkpoint: Path, widths: Widths, device, dtype) -> tuple[nn.Module, nn.Module]:
    """What is called as the plain U-Net is, and the module that adapters are put on."""
    if library != "diffusers":
        made = load.load_unet(checkpoint, widths, device, dtype)
        return made, made
    import architectures
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    with torch.device("meta"):
        made = architectures.unet("sdxl", widths)
    file = load.files.Tensors(checkpoint)
    # Translating moves entries without looking into them: names alone go through, and no tensor is loaded twice.
    stored = {name: name for name in file.names(plain_unet.PREFIX)}
    translated = convert_ldm_unet_checkpoint(stored, dict(made.config))
    made.load_state_dict({n: file.read(source).to(device=device, dtype=dtype) for n, source in translated.items()}, assign=True)
    made.eval().requires_grad_(False)
    return Diffusers(made), made


class Lora(nn.Module):
    def __init__(self, base: nn.Linear, a: torch.Tensor, b: torch.Tensor):
        super().__init__()
        self.base, self.lora_A, self.lora_B = base, nn.Parameter(a), nn.Parameter(b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + functional.linear(functional.linear(x, self.lora_A), self.lora_B)


class Para(nn.Module):
    """y - Q Q^T W x: what PEFT's DEFT computes with `para` and the decomposition `qr`."""

    def __init__(self, base: nn.Linear, b: torch.Tensor):
        super().__init__()
        self.base, self.para_B = base, nn.Parameter(b)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        whole = self.base(x)
        with torch.autocast(x.device.type, enabled=False):
            basis = torch.linalg.qr(self.para_B).Q.to(whole.dtype)
        product = whole if self.base.bias is None else whole - self.base.bias.to(whole.dtype)
        return whole - (product @ basis) @ basis.T


def adapt(library: str, unet: nn.Module, method: str, values: dict[str, torch.Tensor]) -> dict[str, nn.Parameter]:
    """Puts the adapter with these values (f32, on the U-Net's device) on it; its parameters by the names of the values."""
    if library == "plain":
        return adapt_plain(unet, method, values)
    rank = min(min(value.shape) for value in values.values())
    found = oracle.adapt(unet, method, rank, oracle.ATTENTION)
    if method == "para":
        from peft import DeftConfig

        # PEFT knows one rank for all layers.
        config = DeftConfig(r=rank, para=True, decomposition_method="qr")
        for path in (name.rpartition(".")[0] for name in found):
            unet.get_submodule(path).update_layer("default", values[f"{path}.para_B.weight"].shape[1], config=config)
    named = {}
    for name, parameter in unet.named_parameters():
        match = re.match(oracle.KEYS[method], name)
        if match:
            named[f"{match[1]}.{match[2].replace('deft_P', 'para_B')}.weight"] = parameter.requires_grad_(True)
    assert named.keys() == values.keys(), "the adapters have other layers"
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.data = values[name].float()
    return named


def adapt_plain(unet: nn.Module, method: str, values: dict[str, torch.Tensor]) -> dict[str, nn.Parameter]:
    named = {}
    for path in dict.fromkeys(name.rsplit(".", 2)[0] for name in values):
        parent, _, last = path.rpartition(".")
        base = unet.get_submodule(path)
        if method == "lora":
            made = Lora(base, *(values[f"{path}.{part}.weight"].float() for part in ("lora_A", "lora_B")))
        else:
            made = Para(base, values[f"{path}.para_B.weight"].float())
        setattr(unet.get_submodule(parent), last, made)
        named |= {f"{path}.{part}.weight": parameter for part, parameter in made.named_parameters(recurse=False)}
    assert named.keys() == values.keys(), "the adapters have other layers"
    return named


def random_values(unet: nn.Module, method: str, rank: int, gamma: float, device) -> dict[str, torch.Tensor]:
    """Values of an adapter on the attention layers as a training begins with them: what they are does not matter here."""
    values = {}
    for path, (_, shape) in oracle.modules(unet).items():
        if not re.match(oracle.ATTENTION, path):
            continue
        out, into = shape
        draw = lambda *dims: torch.randn(*dims, device=device)  # noqa: E731
        if method == "lora":
            values[f"{path}.lora_A.weight"] = draw(rank, into) / math.sqrt(into)
            values[f"{path}.lora_B.weight"] = torch.zeros(out, rank, device=device)
        else:
            values[f"{path}.para_B.weight"] = draw(out, max(1, math.floor(gamma * out + 1e-9))) * 0.02
    return values
