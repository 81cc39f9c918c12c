"""PyTorch's side of the full-size check: the same steps with diffusers' U-Net and PEFT's adapter, compared.

Run: python tools/full-size/pytorch_step.py CHECKPOINT FOLDER {lora|para} [--widths full|small] [--minutes N] [--steps N]
[--ours NAME...] [--device cpu|cuda] [--library auto|diffusers|peft|plain]
Reads the checkpoint's halves as f32, FOLDER/inputs.safetensors, FOLDER/METHOD.safetensors and what our side left:
FOLDER/NAME.gradient.K.safetensors, metadata `loss`; NAME is METHOD unless --ours names one or several. After each step the
gradient is clipped to 1 and AdamW (1e-4, decay 0.01) changes the adapter, as on our side. Transformer blocks and residual
blocks are computed again for the backward pass (gradient checkpointing). On a GPU nothing is rounded to TF32. Where
diffusers or PEFT are not installed, plain modules take their place (tools/plain). Prints JSON: per step loss, its relative
difference, the relative difference of the whole gradient (norm of the difference by norm), and the layer's tensor that
differs most; of further names under "others".
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch

tools = Path(__file__).parents[1]
sys.path += [str(tools / "golden"), str(tools / "templates"), str(tools / "plain")]
import files  # noqa: E402
import theirs  # noqa: E402
from load import widths_of  # noqa: E402


def compared(named: dict[str, torch.nn.Parameter], path: Path, loss: float) -> dict:
    """How our gradients and loss in the file differ from those here."""
    file = files.Tensors(path)
    ours, our_loss = file.all(), float(file.metadata["loss"])
    assert named.keys() == ours.keys(), "the gradients have other layers"
    difference = whole = 0.0
    worst, by_tensor = "", 0.0
    for name, parameter in named.items():
        here = parameter.grad.double().cpu()
        square, off = here.square().sum().item(), (ours[name].double() - here).square().sum().item()
        difference, whole = difference + off, whole + square
        if (relative := (off / square) ** 0.5 if square > 0 else float("inf")) > by_tensor:
            worst, by_tensor = name, relative
    return {
        "loss": loss, "lossError": abs(our_loss - loss) / abs(loss), "gradientNorm": whole**0.5,
        "gradientError": (difference / whole) ** 0.5, "worst": worst, "worstError": by_tensor,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("method", choices=("lora", "para"))
    parser.add_argument("--widths", choices=("full", "small"), default="full")
    parser.add_argument("--minutes", type=float, default=60, help="no further step is begun after this time")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--ours", nargs="+", help="what our gradients are called, default the method")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--library", default="auto", choices=("auto", *theirs.LIBRARIES))
    args = parser.parse_args()
    start = time.perf_counter()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    read = lambda name: {n: v.float().to(args.device) for n, v in files.Tensors(args.folder / name).all().items()}  # noqa: E731
    library, words = theirs.choose(args.library, args.method)
    unet, inner = theirs.load_unet(library, args.checkpoint, widths_of(args.widths), args.device, torch.float32)
    inner.enable_gradient_checkpointing()
    named = theirs.adapt(library, inner, args.method, read(f"{args.method}.safetensors"))
    inputs = read("inputs.safetensors")
    optimiser = torch.optim.AdamW(named.values(), lr=1e-4, weight_decay=0.01)
    steps = []
    for k in range(min(args.steps, len(inputs["noisy"]))):
        row = {name: value[k : k + 1] for name, value in inputs.items()}
        begin = time.perf_counter()
        if steps and begin - start > 60 * args.minutes:
            break
        optimiser.zero_grad(set_to_none=True)
        predicted = unet(*(row[name] for name in ("noisy", "timesteps", "hidden", "pooled", "time_ids")))
        loss = torch.nn.functional.mse_loss(predicted, row["target"])
        loss.backward()
        value = loss.item()
        seconds = time.perf_counter() - begin
        first, *others = (
            compared(named, args.folder / f"{name}.gradient.{k}.safetensors", value) for name in args.ours or [args.method]
        )
        more = {"others": dict(zip(args.ours[1:], others, strict=True))} if others else {}
        steps.append({"seconds": seconds, **first, **more})
        print(json.dumps(steps[-1]), file=sys.stderr, flush=True)
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimiser.step()
    # Linux tells kilobytes; mapped pages of the checkpoint are counted.
    print(json.dumps({"library": words, "steps": steps, "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()
