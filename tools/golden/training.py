"""Gradients in f64 and 50 training steps by PyTorch and PEFT on the small test base, as golden files.

Run: python tools/golden/training.py WORK    (WORK as given to bases.py)
Writes remote-agent/test/golden/training/{gradients,lora-sgd,lora-adamw,para-sgd,para-adamw}.safetensors.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from peft import DeftConfig, LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file

OUT = Path(__file__).parents[2] / "remote-agent/test/golden/training"
PIPELINE = Path(sys.argv[1]) / "tiny-optimum"
TARGETS = r".*attn\d\.(to_q|to_k|to_v|to_out\.0)$"
CONFIG = json.loads((PIPELINE / "unet/config.json").read_text())
TOKENS, WIDTH, LATENT = 16, CONFIG["cross_attention_dim"], (CONFIG["in_channels"], 8, 8)
POOLED = CONFIG["projection_class_embeddings_input_dim"] - 6 * CONFIG["addition_time_embed_dim"]
STEPS, EXAMPLES = 50, 4


def unet(dtype=torch.float32):
    model = UNet2DConditionModel.from_pretrained(PIPELINE / "unet").to(dtype)
    model.requires_grad_(False)
    return model.eval()


def conditions(n, rng):
    tensor = lambda *shape: torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    return dict(latents=tensor(n, *LATENT), hidden=tensor(n, TOKENS, WIDTH), pooled=tensor(n, POOLED),
                time_ids=torch.tensor([[16.0, 16, 0, 0, 16, 16]]).repeat(n, 1))


def call(model, noisy, t, data, dtype):
    added = dict(text_embeds=data["pooled"].to(dtype), time_ids=data["time_ids"].to(dtype))
    return model(noisy.to(dtype), t, data["hidden"].to(dtype), added_cond_kwargs=added).sample


def start(model, rng, rank, method):
    """Initial values by module path: PEFT's names and layouts."""
    values = {}
    for name, module in model.named_modules():
        if not re.match(TARGETS, name):
            continue
        out, into = module.weight.shape
        draw = lambda *shape, s: torch.from_numpy((rng.standard_normal(shape) * s).astype(np.float32))
        if method == "lora":
            values[f"{name}.lora_A.weight"] = draw(rank, into, s=1 / into**0.5)
            values[f"{name}.lora_B.weight"] = draw(out, rank, s=0.05)
        else:
            values[f"{name}.para_B.weight"] = draw(out, rank, s=0.02)
    return values


def adapt(model, method, rank, values):
    if method == "lora":
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=TARGETS, lora_dropout=0.0)
    else:
        config = DeftConfig(r=rank, para=True, decomposition_method="qr", target_modules=TARGETS)
    inject_adapter_in_model(config, model)
    trained = {}
    for name, p in model.named_parameters():
        p.requires_grad_(False)
        path, key = None, None
        if found := re.match(r"(.*)\.lora_([AB])\.default\.weight$", name):
            path, key = found[1], f"{found[1]}.lora_{found[2]}.weight"
        elif found := re.match(r"(.*)\.deft_P\.default$", name):
            path, key = found[1], f"{found[1]}.para_B.weight"
        if key is None:
            continue
        with torch.no_grad():
            p.copy_(values[key])
        p.requires_grad_(True)
        trained[key] = p
    assert set(trained) == set(values), (len(trained), len(values))
    return trained


def delta(model, method):
    """Change of each layer's weight [out, in]."""
    changes = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and re.match(TARGETS, name):
            changes[name] = module.get_delta_weight("default").detach().float()
    return changes


def gradients():
    tensors = {}
    rng = np.random.default_rng(7)
    data = conditions(2, rng)
    target = torch.from_numpy(rng.standard_normal((2, *LATENT)).astype(np.float32))
    times = torch.tensor([77.0, 640.0])
    for key, value in data.items():
        tensors[f"in.{key}"] = value
    tensors["in.target"], tensors["in.timesteps"] = target, times
    for method, rank in (("lora", 4), ("para", 2)):
        model = unet(torch.float64)
        values = start(model, rng, rank, method)
        trained = adapt(model, method, rank, values)
        if method == "para":
            # PEFT computes the update in f32; here the same formula in f64 is wanted.
            for module in model.modules():
                if hasattr(module, "deft_P"):
                    module.forward = f64_forward(module)
        for p in trained.values():
            p.data = p.data.double()
        out = call(model, data["latents"], times.double(), data, torch.float64)
        loss = ((out - target) ** 2).mean()
        loss.backward()
        tensors[f"{method}.loss"] = loss.detach().reshape(1).float()
        for key, p in trained.items():
            tensors[f"{method}.start.{key}"] = values[key]
            tensors[f"{method}.grad.{key}"] = p.grad.float()
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / "gradients.safetensors")


def f64_forward(module):
    def forward(x, *args, **kwargs):
        base = module.get_base_layer()
        q, _ = torch.linalg.qr(module.deft_P["default"])
        y = torch.nn.functional.linear(x, base.weight)
        y = y - (y @ q) @ q.T
        return y if base.bias is None else y + base.bias
    return forward


def parity(method, optimiser):
    rng = np.random.default_rng(11)
    rank = 4 if method == "lora" else 2
    model = unet()
    data = conditions(EXAMPLES, rng)
    values = start(model, rng, rank, method)
    if method == "lora":
        values = {k: torch.zeros_like(v) if "lora_B" in k else v for k, v in values.items()}
    trained = adapt(model, method, rank, values)
    parameters = list(trained.values())
    rate = {"sgd": 0.05 if method == "lora" else 0.002, "adamw": 1e-3}[optimiser]
    made = torch.optim.SGD(parameters, lr=rate) if optimiser == "sgd" else torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01)
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0).float()
    noises, times, losses = [], [], []
    for step in range(STEPS):
        i = step % EXAMPLES
        t = int(rng.integers(0, 1000))
        noise = torch.from_numpy(rng.standard_normal((1, *LATENT)).astype(np.float32))
        one = {k: v[i : i + 1] for k, v in data.items()}
        noisy = alphas[t].sqrt() * one["latents"] + (1 - alphas[t]).sqrt() * noise
        loss = ((call(model, noisy, torch.tensor([float(t)]), one, torch.float32) - noise) ** 2).mean()
        made.zero_grad()
        loss.backward()
        made.step()
        noises.append(noise)
        times.append(t)
        losses.append(loss.item())
    tensors = {f"in.{k}": v for k, v in data.items()}
    tensors |= {"in.noise": torch.cat(noises), "in.timesteps": torch.tensor(times, dtype=torch.float32),
                "in.alphas": alphas, "losses": torch.tensor(losses)}
    tensors |= {f"start.{k}": v for k, v in values.items()}
    tensors |= {f"delta.{k}": v for k, v in delta(model, method).items()}
    save_file({k: v.contiguous() for k, v in tensors.items()}, OUT / f"{method}-{optimiser}.safetensors",
              metadata=dict(method=method, rank=str(rank), optimiser=optimiser, rate=repr(rate), losses=json.dumps(losses[:3])))
    print(method, optimiser, losses[0], losses[-1])


def modules():
    model = unet()
    found = {n: [type(m).__name__.replace("LoRACompatible", ""), list(m.weight.shape)] for n, m in model.named_modules()
             if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))}
    (OUT / "modules.json").write_text(json.dumps(found, indent=0) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    modules()
    gradients()
    for method in ("lora", "para"):
        for optimiser in ("sgd", "adamw"):
            parity(method, optimiser)
