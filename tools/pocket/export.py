"""Exports the trained parts with the real exporter into the official SDXL ONNX folder layout, weights stored as f16.

python export.py OUT [--random | --part NAME]: `--random` exports the same architecture with random weights, `--part` puts
one part, such as a decoder refined anew, into a base that is there and touches nothing else.
"""

import argparse
import json
import pathlib
import shutil

import numpy as np
import onnx
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import main_export
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import diffusion
import text
from data import WORK
from vae import CONFIG as VAE_CONFIG


def pipeline(random):
    folder = WORK / "torch"
    if random:
        tokenizer = text.load_tokenizer()
        unet, first, second = diffusion.make_models(tokenizer)
        vae, scheduler = AutoencoderKL(**VAE_CONFIG), DDIMScheduler(**diffusion.SCHEDULER)
        for model in (unet, first, second, vae):
            model.half().float()
    else:
        unet = UNet2DConditionModel.from_pretrained(folder / "unet")
        first = CLIPTextModel.from_pretrained(folder / "text_encoder")
        second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
        vae = AutoencoderKL.from_pretrained(WORK / "vae-refined").half().float()
        scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    return StableDiffusionXLPipeline(
        vae=vae, text_encoder=first, text_encoder_2=second, unet=unet, scheduler=scheduler,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"), add_watermarker=False,
    )


def store_as_half(path):
    """Stores f32 weights as f16 followed by a Cast: half the bytes, the same f32 arithmetic."""
    model = onnx.load(str(path))
    graph = model.graph
    casts, kept = [], []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 64:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name + "_f16")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], name=tensor.name + "_cast", to=TensorProto.FLOAT))
    nodes = casts + list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    del graph.value_info[:]
    onnx.save(model, str(path))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--part", help="folder name of the only part to replace in OUT")
    args = parser.parse_args()
    torch.manual_seed(5)
    source = WORK / ("torch-random" if args.random else "torch-pipeline")
    pipeline(args.random).save_pretrained(source)
    out = WORK / "whole" if args.part else args.out
    shutil.rmtree(out, ignore_errors=True)
    main_export(str(source), output=str(out), task="text-to-image", library_name="diffusers", opset=18, do_validation=False)
    for path in sorted(out.glob("*/model.onnx")):
        store_as_half(path)
    for path in (*out.glob("*/config.json"), out / "model_index.json"):
        # Exporters write down the folder that they read from.
        config = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("_name_or_path", "name_or_path")}
        path.write_text(json.dumps(config, indent=2) + "\n")
    for path in out.glob("tokenizer*/tokenizer_config.json"):
        config = {k: v for k, v in json.loads(path.read_text()).items() if k != "name_or_path"}
        path.write_text(json.dumps(config, indent=2) + "\n")
    total = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    print(f"{out}: {total / 2**20:.2f} MiB", *sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()))
    if args.part:
        shutil.copyfile(out / args.part / "model.onnx", args.out / args.part / "model.onnx")
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
