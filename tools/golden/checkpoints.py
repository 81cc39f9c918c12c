"""Golden files of checkpoints: what diffusers makes of random single-file checkpoints of the known architectures.

Run: python tools/golden/checkpoints.py      (writes remote-agent/test/golden/checkpoints/<architecture>.json, and
<architecture>.diffusers.json.gz: which of its weights each tensor of a folder of diffusers is, found by their numbers,
<architecture>.optimum.json.gz: the same model as optimum exports it, see optimum_layout.py,
and <architecture>.full.json.gz: the shapes of the architecture at full size)
Names and shapes are those of `tools/templates/checkpoint_names.py`; that the list is right is proved here by diffusers'
single-file loader, which must find every weight. Weights are not kept: they follow from name and
position (`weights`), in numbers that F32, F16 and BF16 hold alike. Arrays are little-endian f32 in base64.
"""

import base64
import gzip
import hashlib
import json
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.numpy import load_file, save_file
from transformers import CLIPTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

from diffusion import packed

sys.path.insert(0, str(Path(__file__).parents[1] / "templates"))
import architectures  # noqa: E402
from checkpoint_names import checkpoint_names  # noqa: E402
from checkpoint_weights import weights  # noqa: E402
from optimum_layout import write_optimum  # noqa: E402
from widths import FULL, SMALL, TOKENS, Widths  # noqa: E402

OUT = Path(__file__).parents[2] / "remote-agent/test/golden/checkpoints"
MERGES = Path(__file__).parents[2] / "remote-agent/templates/clip-merges.txt.gz"
# No parentheses: they weigh words here, and are plain signs to diffusers.
PROMPT, NEGATIVE = "a photo of a red teapot, 12.5% larger, na\u00efve", "blurry"


def tokenizer(folder: Path, padding: str) -> CLIPTokenizer:
    merges = gzip.decompress(MERGES.read_bytes()).decode()
    signs = list(bytes_to_unicode().values())
    tokens = signs + [s + "</w>" for s in signs] + ["".join(m.split()) for m in merges.splitlines()[1:]]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    (folder / "merges.txt").write_text(merges)
    return CLIPTokenizer(folder / "vocab.json", folder / "merges.txt", model_max_length=TOKENS, pad_token=padding)


def load(architecture: str, widths: Widths, work: Path, names: dict[str, tuple]):
    """The checkpoint as diffusers' single-file loader reads it."""
    sdxl = architecture == "sdxl"
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
    )
    encoders = architectures.text_encoders(architecture, widths)
    parts = {
        "vae": architectures.vae(architecture, widths), "unet": architectures.unet(architecture, widths), "scheduler": scheduler,
        "text_encoder": encoders[0], "tokenizer": tokenizer(work / "bpe", "<|endoftext|>"),
    }
    if sdxl:
        parts |= {"text_encoder_2": encoders[1], "tokenizer_2": tokenizer(work / "bpe2", "!")}
        shell = StableDiffusionXLPipeline(**parts, add_watermarker=False)
    else:
        shell = StableDiffusionPipeline(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    # The loader is given the configs alone: every weight must come out of the checkpoint.
    shell.save_pretrained(work / "config")
    for path in (work / "config").rglob("*.safetensors"):
        path.unlink()
    save_file({name: weights(name, shape) for name, shape in names.items()}, work / "checkpoint.safetensors")
    kind = StableDiffusionXLPipeline if sdxl else StableDiffusionPipeline
    extra = {"add_watermarker": False} if sdxl else {"safety_checker": None}
    return kind.from_single_file(
        str(work / "checkpoint.safetensors"), config=str(work / "config"), local_files_only=True, torch_dtype=torch.float32, **extra
    )


def same_in_diffusers(pipe, names: dict[str, tuple], work: Path) -> dict:
    """By part and name of what diffusers saves: name in the checkpoint, shape, and which third of it or whether turned."""
    def key(array: np.ndarray) -> tuple:
        return array.size, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()

    forms = {}
    for name, shape in names.items():
        array = weights(name, shape)
        forms.setdefault(key(array), (name, None, False))
        if ".in_proj_" in name:
            for i, third in enumerate(np.split(array, 3)):
                forms.setdefault(key(third), (name, i, False))
        if name.endswith("text_projection"):
            forms.setdefault(key(array.T), (name, None, True))
    pipe.save_pretrained(work / "saved")
    found = {}
    for path in sorted((work / "saved").rglob("*.safetensors")):
        tensors = load_file(path)
        # A shared or constant tensor (position_ids) is no weight.
        found[path.parent.name] = {
            name: [(form := forms[key(array)])[0], list(array.shape), *form[1:]] for name, array in sorted(tensors.items()) if array.dtype == np.float32
        }
    return found


def configs(work: Path) -> dict:
    return {str(path.relative_to(work / "saved")): json.loads(path.read_text()) for path in sorted((work / "saved").rglob("*config.json"))} | {
        "model_index.json": json.loads((work / "saved/model_index.json").read_text())
    }


def v_prediction(pipe, start, size) -> torch.Tensor:
    """Ten steps of the same U-Net taken as one that predicts v, without signal at the last timestep."""
    epsilon = pipe.scheduler
    pipe.scheduler = DDIMScheduler.from_config(
        epsilon.config, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    latents = pipe(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=10, guidance_scale=5.0, latents=start.clone(), output_type="latent", **size
    ).images
    pipe.scheduler = epsilon
    return latents


def golden(architecture: str, widths: Widths, work: Path) -> dict:
    names = checkpoint_names(architecture, widths)
    pipe = load(architecture, widths, work, names)
    pipe.set_progress_bar_config(disable=True)
    count = sum(math.prod(shape) for shape in names.values())
    print(f"{architecture}: {len(names)} tensors, {count} weights", flush=True)
    torch.manual_seed(1)
    start = torch.randn(1, 4, 8, 8)
    size = {"height": 64, "width": 64}
    if architecture == "sdxl":
        hidden, _, pooled, _ = pipe.encode_prompt(PROMPT, do_classifier_free_guidance=False)
        added = {"text_embeds": pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    else:
        (hidden, _), pooled, added = pipe.encode_prompt(PROMPT, "cpu", 1, False), None, None
    output = pipe.unet(start, torch.tensor(321), hidden, added_cond_kwargs=added).sample
    latents = pipe(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=10, guidance_scale=5.0, latents=start.clone(), output_type="latent", **size
    ).images
    v_latents = v_prediction(pipe, start, size)
    same = {"tensors": same_in_diffusers(pipe, names, work), "configs": configs(work)}
    (OUT / f"{architecture}.diffusers.json.gz").write_bytes(gzip.compress(json.dumps(same).encode(), mtime=0))
    write_optimum(work / "saved", work / "optimum", names, OUT / f"{architecture}.optimum.json.gz")
    picture = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    pixels = torch.rand(1, 3, 64, 64) * 2 - 1
    encoded = pipe.vae.encode(pixels).latent_dist.mean * pipe.vae.config.scaling_factor
    return {
        "tensors": {name: list(shape) for name, shape in names.items()},
        "prompt": PROMPT, "negative": NEGATIVE, "hidden": packed(hidden), **({"pooled": packed(pooled)} if pooled is not None else {}),
        "start": packed(start), "timestep": 321, "output": packed(output), "latents": packed(latents), "vLatents": packed(v_latents), "picture": packed(picture),
        "pixels": packed(pixels), "encoded": packed(encoded),
    }


def full_size(architecture: str) -> None:
    shapes = {name: list(shape) for name, shape in checkpoint_names(architecture, FULL[architecture]).items()}
    (OUT / f"{architecture}.full.json.gz").write_bytes(gzip.compress(json.dumps(shapes).encode(), mtime=0))


@torch.no_grad()
def main():
    OUT.mkdir(exist_ok=True)
    for architecture in sys.argv[1:] or SMALL:
        full_size(architecture)
        with tempfile.TemporaryDirectory() as work:
            data = golden(architecture, SMALL[architecture], Path(work))
        for name, value in data.items():
            if isinstance(value, dict) and "data" in value:
                numbers = np.frombuffer(base64.b64decode(value["data"]), "<f4")
                print(f"  {name}: {value['dims']}, rms {np.sqrt((numbers**2).mean()):.3g}, largest {np.abs(numbers).max():.3g}")
        (OUT / f"{architecture}.json").write_text(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
