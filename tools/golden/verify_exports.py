"""Loads the exports of the sample adapters with PEFT and diffusers and notes what they gave.

1. npx vite-node remote-agent/test/adapters/write-exports.ts FOLDER
2. python tools/golden/verify_exports.py FOLDER
Writes remote-agent/test/golden/adapters/exports-verified.json: per case the SHA-256 of every file and the largest
difference, relative to the output's largest value, from the U-Net whose weights were changed by the adapter's
definition (float64).
"""

import copy
import hashlib
import json
import pathlib
import sys

import torch
from adapters import OUT, make_unet, run
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline
from peft import PeftModel
from safetensors.torch import load_file


def by_definition(path: pathlib.Path):
    """The U-Net with W0 - Q Q^T W0, or W0 + scale B A."""
    unet = make_unet()
    tensors = load_file(path)
    modules = dict(unet.named_modules())
    for key, value in tensors.items():
        if "lora_B" in key:
            continue
        name = key.removeprefix("unet.").replace(".lora_A.weight", "").replace(".para_B.weight", "")
        weight = modules[name].weight
        w = weight.data.double().flatten(1)
        if "para_B" in key:
            q, _ = torch.linalg.qr(value.double())
            w = w - q @ (q.T @ w)
        else:
            b = tensors[f"unet.{name}.lora_B.weight"].double().flatten(1)
            w = w + 2.0 * b @ value.double().flatten(1)
        weight.data = w.reshape(weight.shape).float()
    return run(unet)


def by_pipeline(path: pathlib.Path):
    unet = make_unet()
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderKL(block_out_channels=(4,), norm_num_groups=1, down_block_types=("DownEncoderBlock2D",),
                          up_block_types=("UpDecoderBlock2D",)),
        text_encoder=None, text_encoder_2=None, tokenizer=None, tokenizer_2=None, unet=unet,
        scheduler=EulerDiscreteScheduler())
    state, alphas = pipeline.lora_state_dict(str(path), unet_config=unet.config)
    pipeline.load_lora_into_unet(state, network_alphas=alphas, unet=unet)
    return run(unet)


def main(folder: pathlib.Path) -> None:
    found = {}
    for case in sorted(p for p in folder.iterdir() if p.is_dir()):
        expected = by_definition(folder / f"{case.name.split('-')[0]}.safetensors")
        if case.name.endswith("-peft"):
            given = run(PeftModel.from_pretrained(copy.deepcopy(make_unet()), case).base_model.model)
        else:
            given = by_pipeline(case / "adapter.safetensors")
        base = run(make_unet())
        assert (expected - base).abs().max() > 0.01, case.name
        files = {("" if p.name == "adapter.safetensors" else p.name): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(case.iterdir())}
        found[case.name] = {"sha256": files, "error": float((given - expected).abs().max() / expected.abs().max())}
        print(f"{case.name:16} {found[case.name]['error']:.2e}")
    (OUT / "exports-verified.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
