"""PyTorch's side of `npm run gpu-check`: training steps and pictures of an SDXL checkpoint, as large as one likes.

Run: python tools/bench/card_worker.py CHECKPOINT {lora|para|generate} [--widths full|small] [--latent 128] [--steps 30]
[--precision f16|f32] [--checkpointing] [--compile] [--rank 16] [--gamma 0.025] [--device cuda|cpu]
[--library auto|diffusers|peft|plain]
A training step: U-Net with the adapter on the attention layers, loss, backward pass, clipping, AdamW; in f16 the U-Net's
weights are halves, the adapter stays f32 under autocast with a gradient scaler. A picture: text encoders, N DDIM steps
with guidance 5 (two rows of the U-Net a step), VAE in f32. In f32 matrix products may be rounded to TF32, as our side's
are. Attention is scaled_dot_product_attention. diffusers' U-Net and PEFT's adapters where they are installed (`theirs.py`).
Speaks the lines of turns.py.
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

import torch

tools = Path(__file__).parents[1]
sys.path += [str(tools / name) for name in ("golden", "templates", "plain")]
import load  # noqa: E402
import parts  # noqa: E402
import theirs  # noqa: E402
import turns  # noqa: E402
from widths import END, TOKENS  # noqa: E402


def training(args, device, widths, library):
    half = args.precision == "f16"
    unet, inner = theirs.load_unet(library, args.checkpoint, widths, device, torch.float16 if half else torch.float32)
    if args.checkpointing:
        inner.enable_gradient_checkpointing()
    named = theirs.adapt(library, inner, args.case, theirs.random_values(inner, args.case, args.rank, args.gamma, device))
    parameters = list(named.values())
    if library != "plain":
        # Blocks are computed again in training mode alone.
        inner.train(args.checkpointing)
    optimiser = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01)
    scaler = torch.amp.GradScaler(device.type, init_scale=1024.0, enabled=half)
    draw = lambda *dims: torch.randn(*dims, device=device)  # noqa: E731
    noisy, target = draw(1, 4, args.latent, args.latent), draw(1, 4, args.latent, args.latent)
    hidden, pooled = draw(1, TOKENS, sum(widths.text)), draw(1, widths.projection)
    side = 8.0 * args.latent
    sizes, times = torch.tensor([[side, side, 0, 0, side, side]], device=device), torch.full((1,), 500.0, device=device)

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.float16) if half else nullcontext():
            predicted = unet(noisy, times, hidden, pooled, sizes)
        loss = torch.nn.functional.mse_loss(predicted.float(), target)
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        scaler.step(optimiser)
        scaler.update()
        loss.item()

    return step


def alphas() -> torch.Tensor:
    """Shares of the signal by timestep, f64[1000]: the schedule that SDXL was trained with."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0)


def generation(args, device, widths, library):
    dtype = torch.float16 if args.precision == "f16" else torch.float32
    unet, inner = theirs.load_unet(library, args.checkpoint, widths, device, dtype)
    text = load.load_text(args.checkpoint, widths, device, dtype)
    vae = load.load_vae(args.checkpoint, widths, device, torch.float32)
    if args.compile:
        unet = torch.compile(unet)
    signal, count = alphas(), 0
    side = 8.0 * args.latent
    sizes = torch.tensor([[side, side, 0, 0, side, side]] * 2, device=device)
    stride = 1000 // args.steps

    def ids(padding: int, words: list[int]) -> list[int]:
        return ([END - 1, *words, END] + [padding] * TOKENS)[:TOKENS]

    @torch.no_grad()
    def draw():
        nonlocal count
        count += 1
        words = [320, 736, 3055, 525, 320, 1746, 5994, 300 + count]
        first, second = (torch.tensor([ids(p, []), ids(p, words)], device=device) for p in (END, 0))
        hidden, pooled = parts.text_states(*text, first, second)
        latents = torch.randn(1, 4, args.latent, args.latent, device=device)
        for at in reversed(range(1, 1 + stride * args.steps, stride)):
            now, then = signal[at].item(), signal[max(0, at - stride)].item()
            rows = torch.cat([latents, latents])
            free, guided = unet(rows, torch.full((2,), float(at), device=device), hidden, pooled, sizes).float().chunk(2)
            noise = free + 5.0 * (guided - free)
            clean = (latents - (1 - now) ** 0.5 * noise) / now**0.5
            latents = then**0.5 * clean + (1 - then) ** 0.5 * noise
        picture = (vae(latents)[0].clamp(-1, 1) + 1) * 127.5
        picture.round().to(torch.uint8).cpu()

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("case", choices=("lora", "para", "generate"))
    parser.add_argument("--widths", choices=("full", "small"), default="full")
    parser.add_argument("--latent", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--precision", choices=("f16", "f32"), default="f16")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--gamma", type=float, default=1 / 40)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--library", default="auto", choices=("auto", *theirs.LIBRARIES))
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(1)
    device = torch.device(args.device)
    library, words = theirs.choose(args.library, args.case)
    empty = turns.memory("VmRSS")
    run = (generation if args.case == "generate" else training)(args, device, load.widths_of(args.widths), library)
    turns.serve(run, device, words + (", torch.compile" if args.compile else ""), empty)


if __name__ == "__main__":
    main()
