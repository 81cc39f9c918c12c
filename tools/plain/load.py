"""Parts of an SDXL checkpoint in plain PyTorch, on a device, without a library beside PyTorch."""

from pathlib import Path

import torch
from torch import nn

import files
import parts
import unet as plain_unet
from widths import FULL, SMALL, Widths


def widths_of(name: str) -> Widths:
    return (FULL if name == "full" else SMALL)["sdxl"]


def filled(made: nn.Module, named: dict[str, str], file: files.Tensors, device, dtype) -> nn.Module:
    """Gives a module made on no device its weights: `named` maps its names to those of the file."""
    wanted = made.state_dict().keys()
    weights = {}
    for name, source in named.items():
        if name in wanted:
            weights[name] = file.read(source).to(device=device, dtype=dtype)
    made.load_state_dict(weights, assign=True)
    return made.eval().requires_grad_(False)


def of_prefix(file: files.Tensors, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): name for name in file.names(prefix)}


def load_unet(checkpoint: Path, widths: Widths, device="cpu", dtype=torch.float32) -> plain_unet.Unet:
    file = files.Tensors(checkpoint)
    with torch.device("meta"):
        made = plain_unet.Unet(widths)
    named = {plain_unet.diffusers_name(name): source for name, source in of_prefix(file, plain_unet.PREFIX).items()}
    return filled(made, named, file, device, dtype)


def load_text(checkpoint: Path, widths: Widths, device="cpu", dtype=torch.float32) -> tuple[nn.Module, nn.Module]:
    file = files.Tensors(checkpoint)
    with torch.device("meta"):
        first, second = parts.clip(widths.text[0]), parts.open_clip(widths.text[1], widths.projection)
    prefixes = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
    return tuple(
        filled(made, of_prefix(file, prefix), file, device, dtype) for made, prefix in zip((first, second), prefixes, strict=True)
    )


def load_vae(checkpoint: Path, widths: Widths, device="cpu", dtype=torch.float32) -> parts.Vae:
    file = files.Tensors(checkpoint)
    with torch.device("meta"):
        made = parts.Vae(widths)
    return filled(made, of_prefix(file, "first_stage_model."), file, device, dtype)
