"""PyTorch's side of `npm run bench` and `npm run gpu-check`: eager PyTorch with PEFT, or a diffusers pipeline.

Run: python tools/bench/pytorch_worker.py FOLDER CASE [--batch N] [--rank N] [--threads N] [--device cpu|cuda]
FOLDER: a torch pipeline as tools/torch_pipeline.py writes it. CASE: lora or para (a training step: U-Net with PEFT's
adapter on the attention layers, loss, backward pass, clipping, AdamW), forward (the U-Net alone), or generate (text to
picture, 30 DDIM steps with guidance 5: two U-Net rows a step).
Speaks lines of JSON, so that another process can take turns with it: see turns.py.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))

import diffusers
import numpy as np
import oracle
import peft
import torch
import turns
from diffusers import DDIMScheduler, StableDiffusionXLPipeline


def training(args, device):
    unet = oracle.load_unet(args.folder)
    size, rng, n = oracle.shapes(args.folder), np.random.default_rng(3), args.batch
    data = {k: v.to(device) for k, v in oracle.conditions(size, n, rng).items()}
    noisy, noise = (oracle.tensor(rng, n, *size["latent"]).to(device) for _ in range(2))
    times = torch.full((n,), 500, device=device)
    if args.case == "forward":
        unet.to(device)

        def forward():
            with torch.no_grad():
                oracle.predict(unet, noisy, times, data)

        return forward
    parameters = list(oracle.adapt(unet, args.case, args.rank, oracle.ATTENTION).values())
    unet.to(device)
    optimiser = torch.optim.AdamW(parameters, lr=1e-4)

    def step():
        loss = torch.nn.functional.mse_loss(oracle.predict(unet, noisy, times, data), noise)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        loss.item()

    return step


def generation(args, device):
    diffusers.utils.logging.disable_progress_bar()
    pipe = StableDiffusionXLPipeline.from_pretrained(args.folder, add_watermarker=False).to(device)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    count = 0

    def draw():
        nonlocal count
        count += 1
        prompts = [f"a red apple on a blue background {count}"] * args.batch
        pipe(prompts, num_inference_steps=30, guidance_scale=5.0, output_type="np")

    return draw


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("case", choices=("forward", "lora", "para", "generate"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0, help="default: what PyTorch chooses")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    device = torch.device(args.device)
    empty = turns.memory("VmRSS")
    run = (generation if args.case == "generate" else training)(args, device)
    library = f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}, PEFT {peft.__version__}"
    turns.serve(run, device, library, empty)


if __name__ == "__main__":
    main()
