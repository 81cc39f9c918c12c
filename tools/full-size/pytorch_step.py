"""PyTorch's side of the full-size check: the same three steps with diffusers' U-Net and PEFT's adapter, compared.

Run: python tools/full-size/pytorch_step.py CHECKPOINT FOLDER {lora|para} [--widths full|small] [--minutes N]
Reads the checkpoint's halves as f32 (names translated by diffusers), FOLDER/inputs.safetensors, FOLDER/METHOD.safetensors
and what our side left: FOLDER/METHOD.gradient.K.safetensors, metadata `loss`. After each step the gradient is clipped to
1 and AdamW (1e-4, decay 0.01) changes the adapter, as on our side. Transformer blocks and residual blocks are computed
again for the backward pass (gradient checkpointing). Prints JSON: per step loss, its relative difference, the relative
difference of the whole gradient (norm of the difference by norm), and the layer's tensor that differs most.
"""

import argparse
import json
import re
import resource
import sys
import time
from pathlib import Path

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from peft import DeftConfig
from safetensors import safe_open
from safetensors.torch import load_file

tools = Path(__file__).parents[1]
sys.path += [str(tools / "golden"), str(tools / "templates")]
import architectures  # noqa: E402
import oracle  # noqa: E402
from checkpoints import WIDTHS  # noqa: E402


def load_unet(checkpoint: Path, widths: architectures.Widths):
    """The U-Net with the file's weights as f32; one tensor at a time is held twice."""
    with torch.device("meta"):
        unet = architectures.unet("sdxl", widths)
    with safe_open(checkpoint, "pt") as file:
        stored = {name: name for name in file.keys() if name.startswith("model.diffusion_model.")}
        # Translating moves entries without looking into them: names alone go through, and no tensor is loaded twice.
        translated = convert_ldm_unet_checkpoint(stored, dict(unet.config))
        weights = {name: file.get_tensor(source).float() for name, source in translated.items()}
    unet.load_state_dict(weights, assign=True)
    return unet.eval().requires_grad_(False)


def adapt(unet, method: str, values: dict[str, torch.Tensor]) -> dict[str, torch.nn.Parameter]:
    """Puts the adapter with these values on the U-Net; its parameters by the names of the values."""
    rank = min(min(value.shape) for value in values.values())
    found = oracle.adapt(unet, method, rank, oracle.ATTENTION)
    if method == "para":
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
            parameter.copy_(values[name])
    return named


def compared(named: dict[str, torch.nn.Parameter], path: Path, loss: float) -> dict:
    """How our gradients and loss in the file differ from those here."""
    ours = load_file(path)
    with safe_open(path, "pt") as file:
        our_loss = float(file.metadata()["loss"])
    assert named.keys() == ours.keys(), "the gradients have other layers"
    difference = whole = 0.0
    worst, by_tensor = "", 0.0
    for name, parameter in named.items():
        here = parameter.grad.double()
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
    args = parser.parse_args()
    start = time.perf_counter()
    unet = load_unet(args.checkpoint, (architectures.FULL if args.widths == "full" else WIDTHS)["sdxl"])
    unet.enable_gradient_checkpointing()
    named = adapt(unet, args.method, load_file(args.folder / f"{args.method}.safetensors"))
    inputs = {name: value.float() for name, value in load_file(args.folder / "inputs.safetensors").items()}
    optimiser = torch.optim.AdamW(named.values(), lr=1e-4, weight_decay=0.01)
    steps = []
    for k in range(len(inputs["noisy"])):
        row = {name: value[k : k + 1] for name, value in inputs.items()}
        begin = time.perf_counter()
        if steps and begin - start > 60 * args.minutes:
            break
        optimiser.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(oracle.predict(unet, row["noisy"], row["timesteps"], row), row["target"])
        loss.backward()
        seconds = time.perf_counter() - begin
        steps.append({"seconds": seconds, **compared(named, args.folder / f"{args.method}.gradient.{k}.safetensors", loss.item())})
        print(json.dumps(steps[-1]), file=sys.stderr, flush=True)
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimiser.step()
    # Linux tells kilobytes; mapped pages of the checkpoint are counted.
    print(json.dumps({"steps": steps, "peakBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()
