"""Times PyTorch eager with PEFT and diffusers on a base's torch folder, for `npm run bench` to compare with.

Run: python tools/bench/pytorch_step.py FOLDER [--batches 1 4] [--threads 2] [--seconds 5] [--out FILE]
FOLDER holds unet/, vae/, text_encoder/ ... as diffusers saves them. Every case runs in a process of its own, so that
its peak memory (resident bytes, of the whole process) is its own. Prints JSON: {machine, cases: [{case, batch,
median_ms, best_ms, runs, peak_bytes, loaded_bytes}]}; loaded_bytes is the memory before the first run.
Cases: forward (U-Net, no gradient), lora (rank 16) and para (DeftConfig, uniform rank) training steps with AdamW on
the attention layers, generate (text to picture, 30 DDIM steps with guidance 5: two U-Net rows a step).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

CASES = ("forward", "lora", "para", "generate")


def memory(field: str) -> int:
    """VmHWM (peak) or VmRSS (now) of this process in bytes; 0 where /proc is missing."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def timed(run, seconds: float, least: int) -> list[float]:
    for _ in range(min(3, least)):
        run()
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < least or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return times


def unet_case(args, folder: Path):
    import numpy as np
    import torch

    import oracle

    size, unet = oracle.shapes(folder), oracle.load_unet(folder)
    rng = np.random.default_rng(3)
    n = args.batch
    data = oracle.conditions(size, n, rng)
    noisy, noise = oracle.tensor(rng, n, *size["latent"]), oracle.tensor(rng, n, *size["latent"])
    times = torch.full((n,), 500)
    if args.case == "forward":
        def run():
            with torch.no_grad():
                oracle.predict(unet, noisy, times, data)
        return run
    parameters = list(oracle.adapt(unet, args.case, args.rank or (16 if args.case == "lora" else 2), oracle.ATTENTION).values())
    optimiser = torch.optim.AdamW(parameters, lr=1e-4)

    def run():
        loss = torch.nn.functional.mse_loss(oracle.predict(unet, noisy, times, data), noise)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        loss.item()

    return run


def generate_case(args, folder: Path):
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    pipe = StableDiffusionXLPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"), unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"), add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return lambda: pipe(["a red apple on a blue background"] * args.batch, num_inference_steps=30, guidance_scale=5.0)


def child(args):
    sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    run = generate_case(args, args.folder) if args.case == "generate" else unet_case(args, args.folder)
    loaded = memory("VmRSS")
    times = timed(run, args.seconds, 2 if args.case == "generate" else 10)
    print(json.dumps({
        "case": args.case, "batch": args.batch, "median_ms": statistics.median(times), "best_ms": min(times),
        "runs": len(times), "peak_bytes": memory("VmHWM"), "loaded_bytes": loaded,
    }))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0, help="least time to measure each case for")
    parser.add_argument("--rank", type=int, default=0, help="default: 16 for lora, 2 for para")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return child(args)
    import diffusers
    import peft
    import torch

    results = []
    for case in args.cases:
        for batch in args.batches if case != "generate" else args.batches[:1]:
            command = [sys.executable, __file__, str(args.folder), "--case", case, "--batch", str(batch), "--rank", str(args.rank),
                       "--threads", str(args.threads), "--seconds", str(args.seconds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                                  env={**os.environ, "OMP_NUM_THREADS": str(args.threads)})
            results.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(results[-1], file=sys.stderr)
    report = json.dumps({
        "machine": {"platform": platform.platform(), "cores": os.cpu_count(), "threads": args.threads, "torch": torch.__version__,
                    "diffusers": diffusers.__version__, "peft": peft.__version__, "dtype": "float32"},
        "cases": results,
    }, indent=2)
    print(report)
    if args.out:
        args.out.write_text(report + "\n")


if __name__ == "__main__":
    main()
