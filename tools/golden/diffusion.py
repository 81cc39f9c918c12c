"""Golden files of generation: what transformers and diffusers compute with the same base, noise and settings.

Run: python tools/golden/diffusion.py      (after bases.py; writes remote-agent/test/golden/diffusion/<base>.json)
Holds token ids, text states, one U-Net call, the latents of every scheduler and the decoded picture; arrays are
little-endian f32 or u8 in base64.
"""

import base64
import json
import sys

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
)

from bases import BASES, GOLDEN, HOME

TEXTS = [
    "",
    "a small red apple on a blue background",
    "A Photo, of: a CAT!!! (with 3 hats) & 12.5% more",
    "it's we'll I'D don't they're 'Round",
    "caf\u00e9 na\u00efve \u00c5NGSTR\u00d6M \uff26\uff35\uff2c\uff2c \ufb03 stra\u00dfe \u0130stanbul",
    "\u6f22\u5b57 kanji \u304b\u306a \ud55c\uae00 \u0645\u0631\u062d\u0628\u0627 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f600 \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 emoji",
    "  many\t spaces\n and\u00a0lines \u200b ",
    "hello<|endoftext|>world <|startoftext|> x <|ENDOFTEXT|>",
    "e\u0301a\u0308 combined, \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03a3, \u00bd \u00b2 \u2167",
]
PROMPT = "a red apple"
NEGATIVE = "a big dog"
DRAWS = {
    "ddim": (DDIMScheduler, {}, {"steps": 30, "guidance": 5.0, "negative": NEGATIVE}),
    "ddim-empty-negative": (DDIMScheduler, {}, {"steps": 10, "guidance": 7.5}),
    "ddim-unguided": (DDIMScheduler, {}, {"steps": 10, "guidance": 1.0}),
    "ddim-eta": (DDIMScheduler, {}, {"steps": 8, "guidance": 5.0, "negative": NEGATIVE, "eta": 0.6}),
    "euler": (EulerDiscreteScheduler, {}, {"steps": 12, "guidance": 5.0, "negative": NEGATIVE}),
    "euler-ancestral": (EulerAncestralDiscreteScheduler, {}, {"steps": 8, "guidance": 5.0, "negative": NEGATIVE}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {}, {"steps": 12, "guidance": 5.0, "negative": NEGATIVE}),
    "dpmpp-2m-karras": (
        DPMSolverMultistepScheduler,
        {"use_karras_sigmas": True},
        {"steps": 12, "guidance": 5.0, "negative": NEGATIVE},
    ),
}


def packed(array) -> dict:
    array = array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    kind = "u8" if array.dtype == np.uint8 else "f32"
    data = np.ascontiguousarray(array, dtype="<u1" if kind == "u8" else "<f4")
    return {"type": kind, "dims": list(array.shape), "data": base64.b64encode(data.tobytes()).decode()}


def draw(pipe, config, name, start, table):
    cls, extra, wish = DRAWS[name]
    pipe.scheduler = cls.from_config({**config, **extra})
    added = iter(table)
    sys.modules[cls.__module__].randn_tensor = lambda shape, **_: next(added).reshape(shape)
    size = start.shape[-1] * pipe.vae_scale_factor
    result = pipe(
        PROMPT,
        negative_prompt=wish.get("negative"),
        num_inference_steps=wish["steps"],
        guidance_scale=wish["guidance"],
        eta=wish.get("eta", 0.0),
        latents=start.clone(),
        height=start.shape[-2] * pipe.vae_scale_factor,
        width=size,
        output_type="latent",
    ).images
    case = {"name": name, "scheduler": "ddim" if name.startswith("ddim") else name, **wish}
    case["latents"] = packed(result)
    if name in ("ddim", "ddim-empty-negative"):
        with torch.no_grad():
            decoded = pipe.vae.decode(result / pipe.vae.config.scaling_factor + (pipe.vae.config.shift_factor or 0)).sample
        picture = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
        case["picture"] = packed((picture * 255).round().to(torch.uint8))
    return case


def write(name: str):
    torch.manual_seed(11)
    pipe = StableDiffusionXLPipeline.from_pretrained(HOME / name, add_watermarker=False)
    pipe.set_progress_bar_config(disable=True)
    config = dict(pipe.scheduler.config)
    length = pipe.tokenizer.model_max_length
    tokens = [
        [t(text, padding="max_length", max_length=length, truncation=True).input_ids for t in (pipe.tokenizer, pipe.tokenizer_2)]
        for text in TEXTS
    ]
    whole = [[t(text, add_special_tokens=False).input_ids for t in (pipe.tokenizer, pipe.tokenizer_2)] for text in TEXTS]
    with torch.no_grad():
        hidden, _, pooled, _ = pipe.encode_prompt(PROMPT, do_classifier_free_guidance=False)
        side = pipe.unet.config.sample_size
        channels = pipe.unet.config.in_channels
        height, width = side, side
        start = torch.randn(1, channels, height, width)
        factor = pipe.vae_scale_factor
        ids = torch.tensor([[height * factor, width * factor, 0, 0, height * factor, width * factor]], dtype=torch.float32)
        call = pipe.unet(start, 321, hidden, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        table = torch.randn(8, *start.shape)
        draws = [draw(pipe, config, name, start, table) for name in DRAWS]
        picture = torch.rand(1, 3, height * factor, width * factor) * 2 - 1
        latent = (pipe.vae.encode(picture).latent_dist.mean - (pipe.vae.config.shift_factor or 0)) * pipe.vae.config.scaling_factor
    golden = {
        "texts": [{"text": x, "ids": i, "whole": w} for x, i, w in zip(TEXTS, tokens, whole)],
        "prompt": PROMPT,
        "hidden": packed(hidden),
        "pooled": packed(pooled),
        "start": packed(start),
        "timestep": 321,
        "output": packed(call),
        "added": packed(table),
        "draws": draws,
        "encode": {"picture": packed(picture), "latent": packed(latent)},
    }
    out = GOLDEN / "diffusion" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(golden) + "\n")
    print(f"{out}: {out.stat().st_size} bytes")


def main():
    for name in BASES:
        write(name)


if __name__ == "__main__":
    main()
