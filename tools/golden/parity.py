"""Training steps of PEFT on any base's torch folder, with everything needed to repeat them, in a small golden file.

Run: python tools/golden/parity.py FOLDER [--name NAME] [--steps 50] [--lora-rank 16] [--para-rank 2]
FOLDER: unet/, vae/, text_encoder/, scheduler/ as diffusers saves them, weights as stored in the ONNX files.
Writes remote-agent/test/golden/parity/<name>.safetensors. Batch 1; step k uses example k mod 4, timestep k and noise k;
noisy = sqrt(a_t) latents + sqrt(1 - a_t) noise; loss = mean((unet - noise)^2), or against the velocity where the
scheduler says so. Adapter on the attention layers (to_q, to_k, to_v, to_out.0), LoRA alpha = rank, PaRa = DeftConfig
(para, qr), SGD without momentum or AdamW (0.9, 0.999, 1e-8, decoupled decay 0.01), all f32.
Tensors (f16 where the values are exact in f16):
  in.latents [4, C, H, W], in.hidden, in.pooled, in.time_ids, in.noise [steps, C, H, W], in.timesteps, in.alphas (f32)
  <method>.start.<path>.{lora_A,lora_B,para_B}.weight
  <method>-<optimiser>.losses f32[steps] (loss before each update)
  <method>-<optimiser>.norm.<path> f32[1]: Frobenius norm of the layer's total change D of its weight [dOut, dIn]
  <method>-<optimiser>.sketch.<path> f32[dOut, 4] = D S, S = the first dIn rows of `sketch` [widest dIn, 4], entries
  +-1: the squared length of (D - D') S is on average 4 times that of D - D'.
PaRa's D is -Q Q^T W in f64 from the trained matrix, LoRA's is B A.
Metadata: rank.<method>, rate.<method>-<optimiser>, steps, base.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file

import oracle
from bases import GOLDEN

OUT = GOLDEN / "parity"
EXAMPLES = 4
RATES = {"lora-sgd": 0.05, "lora-adamw": 3e-4, "para-sgd": 2e-3, "para-adamw": 1e-3}


def start_values(folder: Path, method: str, rank: int, rng) -> dict[str, torch.Tensor]:
    unet = oracle.load_unet(folder)
    found = oracle.adapt(unet, method, rank, oracle.ATTENTION)
    scale = {"lora_B": lambda p: 0.0, "lora_A": lambda p: p.shape[1] ** -0.5, "deft_P": lambda p: 0.02}
    return {k: oracle.tensor(rng, *p.shape, scale=scale[k.rpartition(".")[2]](p)) for k, p in found.items()}


def train(folder: Path, method: str, optimiser: str, rank: int, values, data, times, noise, alphas, velocity: bool):
    unet = oracle.load_unet(folder)
    before = {n: m.weight.clone() for n, m in unet.named_modules() if isinstance(m, torch.nn.Linear)}
    parameters = oracle.adapt(unet, method, rank, oracle.ATTENTION)
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(values[key])
    rate = RATES[f"{method}-{optimiser}"]
    made = (torch.optim.SGD(parameters.values(), lr=rate) if optimiser == "sgd"
            else torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=0.01))
    losses = []
    for step, t in enumerate(times):
        one = {k: v[step % EXAMPLES : step % EXAMPLES + 1] for k, v in data.items()}
        a, eps = alphas[t], noise[step : step + 1]
        noisy = a.sqrt() * one["latents"] + (1 - a).sqrt() * eps
        target = a.sqrt() * eps - (1 - a).sqrt() * one["latents"] if velocity else eps
        loss = ((oracle.predict(unet, noisy, torch.tensor([t]), one) - target) ** 2).mean()
        made.zero_grad()
        loss.backward()
        made.step()
        losses.append(loss.item())
    changes = {}
    for path in {k.rpartition(".")[0] for k in parameters}:
        if method == "lora":
            changes[path] = parameters[f"{path}.lora_B"].detach() @ parameters[f"{path}.lora_A"].detach()
        else:
            q, _ = torch.linalg.qr(parameters[f"{path}.deft_P"].detach().double())
            changes[path] = -(q @ (q.T @ before[path].double())).float()
    return losses, changes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--lora-rank", type=int, default=16)
    parser.add_argument("--para-rank", type=int, default=2)
    args = parser.parse_args()
    name = args.name or args.folder.name
    size, rng = oracle.shapes(args.folder), np.random.default_rng(31)
    scheduler = DDIMScheduler.from_pretrained(args.folder / "scheduler")
    velocity = scheduler.config.prediction_type == "v_prediction"
    data = {**oracle.conditions(size, EXAMPLES, rng), "latents": oracle.tensor(rng, EXAMPLES, *size["latent"])}
    noise = oracle.tensor(rng, args.steps, *size["latent"])
    times = rng.integers(0, scheduler.config.num_train_timesteps, args.steps).tolist()
    alphas = scheduler.alphas_cumprod.float()
    tensors = {f"in.{k}": v.half() for k, v in data.items() if k != "time_ids"} | {"in.noise": noise.half()}
    tensors |= {"in.time_ids": data["time_ids"], "in.timesteps": torch.tensor(times).float(), "in.alphas": alphas}
    metadata = {"base": name, "steps": str(args.steps), "prediction": scheduler.config.prediction_type}
    sketch = None
    for method, rank in (("lora", args.lora_rank), ("para", args.para_rank)):
        values = start_values(args.folder, method, rank, rng)
        metadata[f"rank.{method}"] = str(rank)
        for key, value in values.items():
            tensors[f"{method}.start.{key.replace('deft_P', 'para_B')}.weight"] = value.half()
        for optimiser in ("sgd", "adamw"):
            run = f"{method}-{optimiser}"
            losses, changes = train(args.folder, method, optimiser, rank, values, data, times, noise, alphas, velocity)
            if sketch is None:
                widest = max(d.shape[1] for d in changes.values())
                sketch = torch.from_numpy(rng.choice([-1.0, 1.0], (widest, 4)).astype(np.float32))
                tensors["sketch"] = sketch.half()
            tensors[f"{run}.losses"] = torch.tensor(losses)
            for path, change in changes.items():
                tensors[f"{run}.norm.{path}"] = change.double().norm().float().reshape(1)
                tensors[f"{run}.sketch.{path}"] = change @ sketch[: change.shape[1]]
            metadata[f"rate.{run}"] = repr(RATES[run])
            print(name, run, len(changes), "layers, loss", losses[0], "->", losses[-1])
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.safetensors"
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=metadata)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
