"""What the oracles share: a base's torch folder (the diffusers layout) and PEFT adapters on its U-Net.

Libraries are loaded where they are needed: machines that lack some use the rest.
"""

import json
import re
from pathlib import Path

import numpy as np
import torch

ATTENTION = r".*attn\d\.(to_q|to_k|to_v|to_out\.0)$"
KEYS = {"lora": r"(.*)\.(lora_A|lora_B)\.default\.weight$", "para": r"(.*)\.(deft_P)\.default$"}


def load_unet(folder: Path, dtype=torch.float32):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder / "unet").to(dtype).eval().requires_grad_(False)


def shapes(folder: Path) -> dict:
    """Latent shape [C, H, W], token count, widths of text states and pooled text, pixels a side, all from the configs."""
    unet = json.loads((folder / "unet/config.json").read_text())
    text = json.loads((folder / "text_encoder/config.json").read_text())
    vae = json.loads((folder / "vae/config.json").read_text())
    side = unet["sample_size"]
    return {
        "latent": (unet["in_channels"], side, side),
        "tokens": text["max_position_embeddings"],
        "width": unet["cross_attention_dim"],
        "pooled": unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"],
        "pixels": side * 2 ** (len(vae["block_out_channels"]) - 1),
    }


def tensor(rng: np.random.Generator, *dims: int, scale: float = 1.0) -> torch.Tensor:
    """Normal draws rounded to f16, so that they are exact when stored in half the bytes."""
    return torch.from_numpy((rng.standard_normal(dims) * scale).astype(np.float16).astype(np.float32))


def conditions(size: dict, n: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    px = float(size["pixels"])
    return {
        "hidden": tensor(rng, n, size["tokens"], size["width"]),
        "pooled": tensor(rng, n, size["pooled"]),
        "time_ids": torch.tensor([[px, px, 0, 0, px, px]]).repeat(n, 1),
    }


def predict(unet, noisy, timesteps, data) -> torch.Tensor:
    d = noisy.dtype
    added = {"text_embeds": data["pooled"].to(d), "time_ids": data["time_ids"].to(d)}
    return unet(noisy, timesteps, data["hidden"].to(d), added_cond_kwargs=added).sample


def modules(unet) -> dict[str, list]:
    """Every linear and convolution layer: its path, its kind and the shape of its weight."""
    kinds = {torch.nn.Linear: "linear", torch.nn.Conv2d: "conv"}
    return {n: [kinds[type(m)], list(m.weight.shape)] for n, m in unet.named_modules() if type(m) in kinds}


def adapt(unet, method: str, rank: int, targets) -> dict[str, torch.nn.Parameter]:
    """Puts PEFT's adapter on the U-Net; its parameters by `<path>.lora_A`, `<path>.lora_B` or `<path>.deft_P`."""
    from peft import DeftConfig, LoraConfig, inject_adapter_in_model

    if method == "lora":
        config = LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=targets)
    else:
        config = DeftConfig(r=rank, para=True, decomposition_method="qr", target_modules=targets)
    inject_adapter_in_model(config, unet)
    found = {}
    for name, parameter in unet.named_parameters():
        match = re.match(KEYS[method], name)
        parameter.requires_grad_(bool(match))
        if match:
            found[f"{match[1]}.{match[2]}"] = parameter
    assert found, "no layer matched"
    return found
