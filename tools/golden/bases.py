"""Writes the two random-weight test bases and keeps the torch pipelines that they were exported from.

Run: python tools/golden/bases.py [--fresh]     (ONNX folders to remote-agent/test/golden/bases, pipelines to HOME/<name>)
A pipeline that is there already is exported again with the weights it has; --fresh makes new ones, after which every
golden file that was computed with them must be made anew.
tiny-optimum: optimum's TorchScript export, the layout and names of SDXL's official ONNX folder.
tiny-dynamo: torch's newer exporter, with other widths, depths, token length, VAE factor, prediction type and output
names, and a VAE encoder that draws its latent itself.
"""

import argparse
import json
import shutil
from pathlib import Path

import onnx
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from optimum.exporters.onnx import main_export
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

GOLDEN = Path(__file__).parents[2] / "remote-agent/test/golden"
HOME = Path.home() / ".cache/para-studio-tools/golden"
OUT = GOLDEN / "bases"
WORDS = (
    "a small big red green blue apple cat dog on the background of with and photo teapot robot owl table beach "
    "grass snow water forest city night sky space desert sunset wooden brick wall hat blurry in to it that"
).split()

SCHEDULER = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
BASES = {
    "tiny-optimum": {
        "tokens": 16,
        "merges": 60,
        "padding": None,
        "text": ({"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_act": "quick_gelu"},
                 {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": "gelu"}),
        "projection": 24,
        "unet": {
            "sample_size": 8, "block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2), "attention_head_dim": (2, 4), "use_linear_projection": True,
        },
        "time": 8,
        "vae": {"block_out_channels": (8, 16), "norm_num_groups": 4, "latent_channels": 4, "scaling_factor": 0.13025},
        "scheduler": {**SCHEDULER, "steps_offset": 1, "timestep_spacing": "leading", "set_alpha_to_one": False},
    },
    "tiny-dynamo": {
        "tokens": 11,
        "merges": 90,
        "padding": "!",
        "text": ({"hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_act": "gelu"},
                 {"hidden_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu"}),
        "projection": 14,
        "unet": {
            "sample_size": 8, "block_out_channels": (12, 20, 28), "layers_per_block": 1, "norm_num_groups": 2,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 1), "attention_head_dim": (2, 4, 2), "use_linear_projection": False,
        },
        "time": 6,
        "vae": {
            "block_out_channels": (4, 8, 8), "norm_num_groups": 2, "latent_channels": 3, "scaling_factor": 0.4,
            "shift_factor": 0.1,
        },
        "scheduler": {**SCHEDULER, "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
    },
}


def write_tokenizer(folder: Path, merges_wanted: int, length: int, padding: str | None) -> CLIPTokenizer:
    """A byte-level BPE in CLIP's format, its merges learnt from WORDS."""
    signs = list(bytes_to_unicode().values())
    words = [list(w[:-1]) + [w[-1] + "</w>"] for w in WORDS]
    merges = []
    while len(merges) < merges_wanted:
        counts: dict[tuple[str, str], int] = {}
        for word in words:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        best = max(counts, key=lambda p: (counts[p], p))
        merges.append(best)
        for word in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = ["".join(best)]
                i += 1
    vocabulary = signs + [s + "</w>" for s in signs] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocabulary)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    extra = {"pad_token": padding} if padding else {}
    return CLIPTokenizer(folder / "vocab.json", folder / "merges.txt", model_max_length=length, **extra)


def make_pipeline(spec: dict, work: Path) -> StableDiffusionXLPipeline:
    tokenizers = [
        write_tokenizer(work / f"bpe{i}", spec["merges"], spec["tokens"], pad) for i, pad in enumerate((None, spec["padding"]))
    ]
    encoders = []
    for i, (cls, settings) in enumerate(zip((CLIPTextModel, CLIPTextModelWithProjection), spec["text"])):
        config = CLIPTextConfig(
            vocab_size=len(tokenizers[i]), max_position_embeddings=spec["tokens"],
            intermediate_size=2 * settings["hidden_size"], projection_dim=spec["projection"],
            bos_token_id=tokenizers[i].bos_token_id, eos_token_id=tokenizers[i].eos_token_id,
            pad_token_id=tokenizers[i].pad_token_id, **settings,
        )
        encoders.append(cls(config).eval())
    vae_settings = {"norm_num_groups": 4, **spec["vae"]}
    blocks = len(vae_settings["block_out_channels"])
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
        layers_per_block=1, sample_size=32, **vae_settings,
    ).eval()
    channels = vae_settings["latent_channels"]
    unet = UNet2DConditionModel(
        in_channels=channels, out_channels=channels, addition_embed_type="text_time",
        addition_time_embed_dim=spec["time"], projection_class_embeddings_input_dim=6 * spec["time"] + spec["projection"],
        cross_attention_dim=sum(e.config.hidden_size for e in encoders), **spec["unet"],
    ).eval()
    # Random layers hardly let anything through: larger weights make every part of the base show in the golden files.
    with torch.no_grad():
        for model in (*encoders, unet, vae):
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1:
                    parameter.mul_(1.5 if model is not unet else 1.2)
                elif name.endswith("bias"):
                    parameter.add_(0.05 * torch.randn_like(parameter))
    return StableDiffusionXLPipeline(
        vae=vae, text_encoder=encoders[0], text_encoder_2=encoders[1], tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1], unet=unet, scheduler=DDIMScheduler(**spec["scheduler"]), add_watermarker=False,
    )


class Text(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids):
        out = self.model(input_ids, output_hidden_states=True)
        first = (out.text_embeds,) if hasattr(out, "text_embeds") else ()
        return (*first, out.last_hidden_state, *out.hidden_states)


class Unet(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, sample, timestep, encoder_hidden_states, text_embeds, time_ids):
        conditions = {"text_embeds": text_embeds, "time_ids": time_ids}
        return self.model(sample, timestep, encoder_hidden_states, added_cond_kwargs=conditions, return_dict=False)[0]


class Encoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, sample):
        mean, log_variance = self.vae.quant_conv(self.vae.encoder(sample)).chunk(2, dim=1)
        return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


class Decoder(torch.nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        return self.vae.decode(latent_sample, return_dict=False)[0]


def export_dynamo(pipe: StableDiffusionXLPipeline, out: Path, spec: dict):
    dynamic = torch.export.Dim.DYNAMIC
    length, side = spec["tokens"], spec["unet"]["sample_size"]
    channels, width = spec["vae"]["latent_channels"], pipe.unet.config.cross_attention_dim
    pixels = side * pipe.vae_scale_factor
    ids = torch.zeros(2, length, dtype=torch.int64)
    batch_and_size = {0: dynamic, 2: dynamic, 3: dynamic}
    states = [f"hidden_states.{i}" for i in range(spec["text"][1]["num_hidden_layers"] + 1)]
    jobs = {
        "text_encoder": (Text(pipe.text_encoder), {"input_ids": ids}, {"input_ids": {0: dynamic}}, None),
        "text_encoder_2": (
            Text(pipe.text_encoder_2), {"input_ids": ids}, {"input_ids": {0: dynamic}}, ["text_embeds", "last_hidden_state", *states],
        ),
        "unet": (
            Unet(pipe.unet),
            {
                "sample": torch.randn(2, channels, side, side), "timestep": torch.tensor([5], dtype=torch.int64),
                "encoder_hidden_states": torch.randn(2, length, width), "text_embeds": torch.randn(2, spec["projection"]),
                "time_ids": torch.randn(2, 6),
            },
            {
                "sample": batch_and_size, "timestep": {}, "encoder_hidden_states": {0: dynamic, 1: dynamic},
                "text_embeds": {0: dynamic}, "time_ids": {0: dynamic},
            },
            ["out_sample"],
        ),
        "vae_encoder": (Encoder(pipe.vae), {"sample": torch.rand(1, 3, pixels, pixels)}, {"sample": {}}, ["latent_sample"]),
        "vae_decoder": (Decoder(pipe.vae), {"latent_sample": torch.randn(1, channels, side, side)}, {"latent_sample": {}}, ["sample"]),
    }
    shutil.rmtree(out, ignore_errors=True)
    for name, (module, inputs, shapes, outputs) in jobs.items():
        folder = out / name
        folder.mkdir(parents=True)
        torch.onnx.export(
            module.eval(), (), str(folder / "model.onnx"), kwargs=inputs, dynamo=True, opset_version=18,
            dynamic_shapes=shapes, input_names=list(inputs), output_names=outputs, external_data=False, optimize=True, verbose=False,
        )
        config = {"vae_encoder": pipe.vae, "vae_decoder": pipe.vae}.get(name) or getattr(pipe, name)
        config.save_config(folder) if hasattr(config, "save_config") else config.config.save_pretrained(folder)
    for name in ("tokenizer", "tokenizer_2"):
        getattr(pipe, name).save_pretrained(out / name)
    pipe.scheduler.save_pretrained(out / "scheduler")


KEPT_METADATA = "pkg.torch.onnx.name_scopes"


def tidy(folder: Path):
    """Drops what only fills the files: stack traces, inner shapes, and paths of this machine."""
    for path in folder.glob("*/model.onnx"):
        model = onnx.load(str(path))
        del model.graph.value_info[:]
        for node in model.graph.node:
            node.doc_string = ""
            kept = [p for p in node.metadata_props if p.key == KEPT_METADATA]
            del node.metadata_props[:]
            node.metadata_props.extend(kept)
        for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
            if hasattr(value, "metadata_props"):
                del value.metadata_props[:]
        del model.graph.metadata_props[:], model.metadata_props[:], model.functions[:]
        onnx.save(model, str(path))
    for path in folder.rglob("*.json"):
        data = json.loads(path.read_text())
        if path.name == "vocab.json":
            path.write_text(json.dumps(data, ensure_ascii=False) + "\n")
            continue
        data = {k: v for k, v in data.items() if not k.startswith("_name")}
        path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--only", choices=BASES)
    args = parser.parse_args()
    for seed, (name, spec) in enumerate(BASES.items()):
        if args.only not in (None, name):
            continue
        torch.manual_seed(seed)
        out = OUT / name
        if args.fresh or not (HOME / name).exists():
            shutil.rmtree(HOME / name, ignore_errors=True)
            make_pipeline(spec, HOME / f"{name}-bpe").save_pretrained(HOME / name)
        pipe = StableDiffusionXLPipeline.from_pretrained(HOME / name, add_watermarker=False)
        if name == "tiny-optimum":
            shutil.rmtree(out, ignore_errors=True)
            main_export(
                str(HOME / name), output=str(out), task="text-to-image", library_name="diffusers", opset=18, do_validation=False
            )
        else:
            export_dynamo(pipe, out, spec)
        shutil.copy(HOME / name / "model_index.json", out)
        tidy(out)
        total = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
        print(f"{out}: {total} bytes")


if __name__ == "__main__":
    main()
