"""Loads an exported adapter as other tools do and writes what it gives, to compare with the adapter's own output.

Run: python tools/check_export.py ADAPTER --base FOLDER --out DIR [--expect METHOD_FILE] [--strength S] [--prompt TEXT]
     [--negative TEXT] [--steps 30] [--guidance 5] [--noise FILE]
ADAPTER: a .safetensors file (diffusers or kohya layout; loaded by StableDiffusionXLPipeline.load_lora_weights) or a
PEFT folder (PeftModel.from_pretrained). FOLDER: the base's torch folder. --noise: safetensors with `noise` [1, C, H, W];
without it the noise is drawn and written, so that the other side can use the same.
--expect: the adapter as trained (tensors `<path>.para_B.weight`, or `.lora_A` and `.lora_B` with alpha = rank; a
`unet.` prefix is dropped); the U-Net with weights changed by its definition in f64 is computed too, and the largest
differences are printed; exit code 1 above 1e-4.
Writes DIR/export.safetensors (noise, hidden, pooled, time_ids, timestep, unet_base, unet, latents, picture in [0, 1])
and DIR/export.png.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

TIMESTEP = 500


def pipeline(folder: Path) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"), unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"), add_watermarker=False,
    )


def load_adapter(pipe, adapter: Path, strength: float):
    if adapter.is_dir() and (adapter / "adapter_config.json").exists():
        model = PeftModel.from_pretrained(pipe.unet, adapter)
        for module in model.modules():
            if hasattr(module, "scaling") and isinstance(module.scaling, dict):
                module.scaling = {k: v * strength for k, v in module.scaling.items()}
        method = json.loads((adapter / "adapter_config.json").read_text())["peft_type"]
        if strength != 1 and method != "LORA":
            sys.exit(f"strength {strength}: a PEFT folder of kind {method} has no strength; use an export as LoRA")
        pipe.unet = model.base_model.model
    else:
        pipe.load_lora_weights(str(adapter.parent), weight_name=adapter.name, adapter_name="one")
        pipe.set_adapters("one", strength)
    touched = [n for n, m in pipe.unet.named_modules() if hasattr(m, "base_layer")]
    if not touched:
        sys.exit("the adapter reached no layer of this U-Net")
    print(len(touched), "layers adapted")
    return touched


@torch.no_grad()
def by_definition(unet, path: Path, strength: float):
    """Changes the weights in place: W - s Q Q^T W, or W + s B A, in f64."""
    tensors = {k.removeprefix("unet."): v.double() for k, v in load_file(path).items()}
    for key, value in tensors.items():
        if key.endswith(".para_B.weight"):
            weight = unet.get_submodule(key.removesuffix(".para_B.weight")).weight
            q, _ = torch.linalg.qr(value)
            change = -q @ (q.T @ weight.double().flatten(1))
        elif key.endswith(".lora_A.weight"):
            name = key.removesuffix(".lora_A.weight")
            weight = unet.get_submodule(name).weight
            change = tensors[f"{name}.lora_B.weight"].flatten(1) @ value.flatten(1)
        else:
            continue
        weight.copy_((weight.double() + strength * change.reshape(weight.shape)).float())


@torch.no_grad()
def draw(pipe, args, noise) -> dict[str, torch.Tensor]:
    pipe.set_progress_bar_config(disable=True)
    states, _, pooled, _ = pipe.encode_prompt(args.prompt, do_classifier_free_guidance=False)
    side = noise.shape[-1] * pipe.vae_scale_factor
    ids = torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32)
    once = pipe.unet(noise, torch.tensor([TIMESTEP]), states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
    latents = pipe(args.prompt, negative_prompt=args.negative or None, num_inference_steps=args.steps, guidance_scale=args.guidance,
                   height=side, width=side, latents=noise.clone(), output_type="latent").images
    config = pipe.vae.config
    picture = pipe.vae.decode(latents / config.scaling_factor + (config.shift_factor or 0)).sample
    picture = (picture / 2 + 0.5).clamp(0, 1)
    return {"hidden": states, "pooled": pooled, "time_ids": ids, "unet": once, "latents": latents, "picture": picture}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--expect", type=Path)
    parser.add_argument("--noise", type=Path)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--prompt", default="a photo of a red apple on the beach")
    parser.add_argument("--negative", default="")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=5.0)
    args = parser.parse_args()
    pipe = pipeline(args.base)
    config = pipe.unet.config
    if args.noise:
        noise = load_file(args.noise)["noise"].float()
    else:
        noise = torch.randn(1, config.in_channels, config.sample_size, config.sample_size, generator=torch.Generator().manual_seed(1))
    plain = draw(pipe, args, noise)
    load_adapter(pipe, args.adapter, args.strength)
    given = draw(pipe, args, noise)
    args.out.mkdir(parents=True, exist_ok=True)
    result = {"noise": noise, "timestep": torch.tensor([float(TIMESTEP)]), "unet_base": plain["unet"], **given}
    save_file({k: v.contiguous().float() for k, v in result.items()}, args.out / "export.safetensors")
    pipe.image_processor.numpy_to_pil(given["picture"].permute(0, 2, 3, 1).numpy())[0].save(args.out / "export.png")
    far = lambda a, b, k: float((a[k] - b[k]).abs().max())
    print(json.dumps({"changed_unet": far(given, plain, "unet"), "changed_picture": far(given, plain, "picture")}))
    if args.expect:
        fresh = pipeline(args.base)
        by_definition(fresh.unet, args.expect, args.strength)
        wanted = draw(fresh, args, noise)
        errors = {f"error_{k}": far(given, wanted, k) for k in ("unet", "latents", "picture")}
        print(json.dumps(errors))
        sys.exit(0 if errors["error_unet"] <= 1e-4 else 1)


if __name__ == "__main__":
    main()
