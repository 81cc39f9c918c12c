"""Golden files of checkpoints: what diffusers makes of random single-file checkpoints of the known architectures.

Run: python tools/golden/checkpoints.py      (writes remote-agent/test/golden/checkpoints/<architecture>.json, and
<architecture>.diffusers.json.gz: which of its weights each tensor of a folder of diffusers is, found by their numbers,
and <architecture>.full.json.gz: the shapes of the architecture at full size)
Names and shapes are listed here as the latent-diffusion and OpenCLIP code name them; that the list is right is proved
by diffusers' single-file loader, which must find every weight. Weights are not kept: they follow from name and
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
from architectures import TOKENS, VOCABULARY, Widths  # noqa: E402

OUT = Path(__file__).parents[2] / "remote-agent/test/golden/checkpoints"
MERGES = Path(__file__).parents[2] / "remote-agent/templates/clip-merges.txt.gz"
WIDTHS = {
    "sdxl": Widths((32, 64, 128), (64, 128), (32, 64, 96, 96), projection=96, time=8),
    "sd": Widths((32, 64, 96, 96), (64,), (32, 64, 96, 96)),
}
# No parentheses: they weigh words here, and are plain signs to diffusers.
PROMPT, NEGATIVE = "a photo of a red teapot, 12.5% larger, na\u00efve", "blurry"


class Names(dict):
    """Shapes by name, of the modules that all parts are made of."""

    def linear(self, name, out, into, bias=True):
        self[f"{name}.weight"] = (out, into)
        if bias:
            self[f"{name}.bias"] = (out,)

    def conv(self, name, out, into, kernel=3):
        self[f"{name}.weight"], self[f"{name}.bias"] = (out, into, kernel, kernel), (out,)

    def norm(self, name, width):
        self[f"{name}.weight"], self[f"{name}.bias"] = (width,), (width,)


def unet_names(architecture: str, widths: Widths) -> Names:
    names, sdxl = Names(), architecture == "sdxl"
    depths = (0, 2, 10) if sdxl else (1, 1, 1, 0)
    context, first = sum(widths.text), widths.unet[0]
    embedding = 4 * first

    def residual(name, into, out):
        names.norm(f"{name}.in_layers.0", into)
        names.conv(f"{name}.in_layers.2", out, into)
        names.linear(f"{name}.emb_layers.1", out, embedding)
        names.norm(f"{name}.out_layers.0", out)
        names.conv(f"{name}.out_layers.3", out, out)
        if into != out:
            names.conv(f"{name}.skip_connection", out, into, 1)

    def transformer(name, width, depth):
        names.norm(f"{name}.norm", width)
        for end in ("proj_in", "proj_out"):
            names.linear(f"{name}.{end}", width, width) if sdxl else names.conv(f"{name}.{end}", width, width, 1)
        for block in (f"{name}.transformer_blocks.{i}" for i in range(depth)):
            for attention, source in (("attn1", width), ("attn2", context)):
                names.linear(f"{block}.{attention}.to_q", width, width, bias=False)
                names.linear(f"{block}.{attention}.to_k", width, source, bias=False)
                names.linear(f"{block}.{attention}.to_v", width, source, bias=False)
                names.linear(f"{block}.{attention}.to_out.0", width, width)
            names.linear(f"{block}.ff.net.0.proj", 8 * width, width)
            names.linear(f"{block}.ff.net.2", width, 4 * width)
            for i in (1, 2, 3):
                names.norm(f"{block}.norm{i}", width)

    names.linear("time_embed.0", embedding, first)
    names.linear("time_embed.2", embedding, embedding)
    if sdxl:
        names.linear("label_emb.0.0", embedding, 6 * widths.time + widths.projection)
        names.linear("label_emb.0.2", embedding, embedding)
    names.conv("input_blocks.0.0", first, 4)
    skips, width, at = [first], first, 1
    for level, out in enumerate(widths.unet):
        for _ in range(2):
            residual(f"input_blocks.{at}.0", width, out)
            if depths[level]:
                transformer(f"input_blocks.{at}.1", out, depths[level])
            skips.append(out)
            width, at = out, at + 1
        if level < len(widths.unet) - 1:
            names.conv(f"input_blocks.{at}.0.op", out, out)
            skips.append(out)
            at += 1
    residual("middle_block.0", width, width)
    transformer("middle_block.1", width, depths[-1] or 1)
    residual("middle_block.2", width, width)
    at = 0
    for level in reversed(range(len(widths.unet))):
        for i in range(3):
            residual(f"output_blocks.{at}.0", width + skips.pop(), widths.unet[level])
            width = widths.unet[level]
            if depths[level]:
                transformer(f"output_blocks.{at}.1", width, depths[level])
            if i == 2 and level > 0:
                names.conv(f"output_blocks.{at}.{2 if depths[level] else 1}.conv", width, width)
            at += 1
    names.norm("out.0", width)
    names.conv("out.2", 4, width)
    return names


def vae_names(widths: Widths) -> Names:
    names, channels = Names(), widths.vae

    def residual(name, into, out):
        names.norm(f"{name}.norm1", into)
        names.conv(f"{name}.conv1", out, into)
        names.norm(f"{name}.norm2", out)
        names.conv(f"{name}.conv2", out, out)
        if into != out:
            names.conv(f"{name}.nin_shortcut", out, into, 1)

    def middle(name, width):
        residual(f"{name}.block_1", width, width)
        names.norm(f"{name}.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            names.conv(f"{name}.attn_1.{part}", width, width, 1)
        residual(f"{name}.block_2", width, width)

    names.conv("encoder.conv_in", channels[0], 3)
    width = channels[0]
    for i, out in enumerate(channels):
        for j in range(2):
            residual(f"encoder.down.{i}.block.{j}", width, out)
            width = out
        if i < 3:
            names.conv(f"encoder.down.{i}.downsample.conv", out, out)
    middle("encoder.mid", width)
    names.norm("encoder.norm_out", width)
    names.conv("encoder.conv_out", 8, width)
    names.conv("quant_conv", 8, 8, 1)
    names.conv("post_quant_conv", 4, 4, 1)
    names.conv("decoder.conv_in", width, 4)
    middle("decoder.mid", width)
    for i in (3, 2, 1, 0):
        for j in range(3):
            residual(f"decoder.up.{i}.block.{j}", width, channels[i])
            width = channels[i]
        if i > 0:
            names.conv(f"decoder.up.{i}.upsample.conv", width, width)
    names.norm("decoder.norm_out", width)
    names.conv("decoder.conv_out", 3, width)
    return names


def clip_names(width: int) -> Names:
    names = Names()
    names["text_model.embeddings.token_embedding.weight"] = (VOCABULARY, width)
    names["text_model.embeddings.position_embedding.weight"] = (TOKENS, width)
    for layer in (f"text_model.encoder.layers.{i}" for i in range(12)):
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            names.linear(f"{layer}.self_attn.{part}", width, width)
        names.linear(f"{layer}.mlp.fc1", 4 * width, width)
        names.linear(f"{layer}.mlp.fc2", width, 4 * width)
        names.norm(f"{layer}.layer_norm1", width)
        names.norm(f"{layer}.layer_norm2", width)
    names.norm("text_model.final_layer_norm", width)
    return names


def open_clip_names(width: int, projection: int) -> Names:
    names = Names()
    names["token_embedding.weight"], names["positional_embedding"] = (VOCABULARY, width), (TOKENS, width)
    names["text_projection"] = (width, projection)
    for block in (f"transformer.resblocks.{i}" for i in range(32)):
        names[f"{block}.attn.in_proj_weight"], names[f"{block}.attn.in_proj_bias"] = (3 * width, width), (3 * width,)
        names.linear(f"{block}.attn.out_proj", width, width)
        names.linear(f"{block}.mlp.c_fc", 4 * width, width)
        names.linear(f"{block}.mlp.c_proj", width, 4 * width)
        names.norm(f"{block}.ln_1", width)
        names.norm(f"{block}.ln_2", width)
    names.norm("ln_final", width)
    return names


def checkpoint_names(architecture: str, widths: Widths) -> dict[str, tuple]:
    clip = clip_names(widths.text[0])
    parts = {"model.diffusion_model.": unet_names(architecture, widths), "first_stage_model.": vae_names(widths)}
    if architecture == "sd":
        parts["cond_stage_model.transformer."] = clip
    else:
        parts["conditioner.embedders.0.transformer."] = clip
        parts["conditioner.embedders.1.model."] = open_clip_names(widths.text[1], widths.projection)
    return {prefix + name: shape for prefix, names in parts.items() for name, shape in names.items()}


def weights(name: str, shape: tuple) -> np.ndarray:
    """Numbers in [-1, 1) of seven bits by a hash of name and position, times a power of two near 1/sqrt(fan-in)."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    x = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    values = (x >> np.uint32(24)).astype(np.float32) / 128 - 1
    if len(shape) > 1:
        fan_in = math.prod(shape[1:])
        return (values * 2.0 ** math.floor(0.5 * math.log2(3 / fan_in) + 0.5)).astype(np.float32).reshape(shape)
    norm = name.endswith(".weight")
    return (np.floor(values * 8) / 32 + 1 if norm else values / 16).astype(np.float32)


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
    shapes = {name: list(shape) for name, shape in checkpoint_names(architecture, architectures.FULL[architecture]).items()}
    (OUT / f"{architecture}.full.json.gz").write_bytes(gzip.compress(json.dumps(shapes).encode(), mtime=0))


@torch.no_grad()
def main():
    OUT.mkdir(exist_ok=True)
    for architecture in sys.argv[1:] or WIDTHS:
        full_size(architecture)
        with tempfile.TemporaryDirectory() as work:
            data = golden(architecture, WIDTHS[architecture], Path(work))
        for name, value in data.items():
            if isinstance(value, dict) and "data" in value:
                numbers = np.frombuffer(base64.b64decode(value["data"]), "<f4")
                print(f"  {name}: {value['dims']}, rms {np.sqrt((numbers**2).mean()):.3g}, largest {np.abs(numbers).max():.3g}")
        (OUT / f"{architecture}.json").write_text(json.dumps(data) + "\n")


if __name__ == "__main__":
    main()
