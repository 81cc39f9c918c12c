"""PyTorch's side of `npm run bench` and `npm run gpu-check`: eager PyTorch with PEFT, or a diffusers pipeline.

Run: python tools/bench/pytorch_worker.py FOLDER CASE [--batch N] [--rank N] [--threads N] [--device cpu|cuda]
FOLDER: a torch pipeline as tools/torch_pipeline.py writes it. CASE: lora or para (a training step: U-Net with PEFT's
adapter on the attention layers, loss, backward pass, clipping, AdamW), forward (the U-Net alone), or generate (text to
picture, 30 DDIM steps with guidance 5: two U-Net rows a step).
Speaks lines of JSON, so that another process can take turns with it. Says {"ready": true, "library": versions,
"threads": ..., "emptyBytes": resident with the libraries alone, "loadedBytes": resident with the model}; answers a
number N on standard input with {"times": milliseconds of N runs}, and the end of the input with {"peakBytes": ...,
"devicePeakBytes": ...}.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))

import diffusers
import numpy as np
import oracle
import peft
import torch
from diffusers import DDIMScheduler, StableDiffusionXLPipeline


def memory(field: str) -> int:
    """VmHWM (peak) or VmRSS (now) of this process in bytes; 0 where /proc is missing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def on_gpu() -> int:
    """Memory of the GPU that this process holds, in bytes; 0 where the driver's tool does not tell."""
    fields = ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    said = subprocess.run(["nvidia-smi", *fields], capture_output=True, text=True, check=False).stdout
    own = [line.split(", ")[1] for line in said.splitlines() if line.startswith(f"{os.getpid()},")]
    return int(own[0]) * 2**20 if own and own[0].isdigit() else 0


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
    empty = memory("VmRSS")
    run = (generation if args.case == "generate" else training)(args, device)
    say = lambda **what: print(json.dumps(what), flush=True)
    library = f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}, PEFT {peft.__version__}"
    say(ready=True, library=library, threads=torch.get_num_threads(), emptyBytes=empty, loadedBytes=memory("VmRSS"))
    settle = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            run()
            settle()
            times.append(1000 * (time.perf_counter() - begin))
        say(times=times)
    say(peakBytes=memory("VmHWM"), devicePeakBytes=on_gpu() if device.type == "cuda" else 0)


if __name__ == "__main__":
    main()
