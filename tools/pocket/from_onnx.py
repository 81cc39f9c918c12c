"""Rebuilds the torch folder from a shipped ONNX base, so that a machine without the training state can go on from it.

python from_onnx.py BASE: writes $PARA_TOOLS_HOME/pocket/torch (every part) and pocket/vae-refined (where `vae.py --refine`
goes on), and compares each part with onnxruntime on the same inputs.

An exporter renames and transposes parameters and merges equal ones, so names do not tell which is which. Position does:
the same classes with random weights, exported by the same exporter, give the same nodes in the same order, and there
each initialiser is recognised by its values.
"""

import argparse
import json
import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from onnx import numpy_helper
from optimum.exporters.onnx import main_export
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from data import WORK

PARTS = {"text_encoder": "text_encoder", "text_encoder_2": "text_encoder_2", "unet": "unet", "vae_encoder": "vae", "vae_decoder": "vae"}


def build(base):
    """A pipeline of the base's architecture; every parameter is random and differs from every other."""
    config = lambda part: json.loads((base / part / "config.json").read_text())
    tokenizers = [CLIPTokenizer.from_pretrained(base / name) for name in ("tokenizer", "tokenizer_2")]
    pipe = StableDiffusionXLPipeline(
        vae=AutoencoderKL.from_config(config("vae_decoder")), unet=UNet2DConditionModel.from_config(config("unet")),
        text_encoder=CLIPTextModel(CLIPTextConfig(**config("text_encoder"))),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**config("text_encoder_2"))),
        tokenizer=tokenizers[0], tokenizer_2=tokenizers[1], scheduler=DDIMScheduler.from_pretrained(base / "scheduler"),
        add_watermarker=False)
    torch.manual_seed(31)
    with torch.no_grad():
        for model in (pipe.vae, pipe.unet, pipe.text_encoder, pipe.text_encoder_2):
            for parameter in model.parameters():
                parameter.normal_(0, 0.1)
            model.eval()
    return pipe


def uses(path):
    """For every node in order its operator and, per input, the initialiser that it reads (f32) or None."""
    graph = onnx.load(str(path)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype(np.float32)  # Stored as f16.
        elif node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]  # One tensor for several parameters that are equal.
        else:
            found.append((node.op_type, [values.get(name) for name in node.input]))
    return found


def recover(shipped, twin, model):
    """The weights of the graph `shipped` by parameter name; the graph `twin` has those that `model` has now."""
    mark = lambda a: np.sort(a, axis=None).tobytes()  # Whatever the shape.
    owners = {mark(p.detach().numpy()): (name, p) for name, p in model.named_parameters()}
    left, right = uses(shipped), uses(twin)
    assert [op for op, _ in left] == [op for op, _ in right], f"{shipped}: other nodes than its twin"
    taken = {}
    for (op, mine), (_, other) in zip(left, right):
        for value, random in zip(mine, other):
            owner = None if random is None or random.dtype != np.float32 else owners.get(mark(random))
            if owner is None:
                continue
            name, parameter = owner
            shape = tuple(parameter.shape)
            as_is = random.size == parameter.numel() and np.array_equal(random.reshape(shape), parameter.detach().numpy())
            assert as_is or np.array_equal(random.T, parameter.detach().numpy()), name
            taken[name] = value.reshape(shape) if as_is else value.T
    return taken


def compare(base, pipe):
    """Largest difference of every part from onnxruntime, relative to the largest value."""
    rng = np.random.default_rng(7)
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    run = lambda part, **inputs: onnxruntime.InferenceSession(str(base / part / "model.onnx")).run(None, inputs)
    tokens, unet = pipe.tokenizer.model_max_length, pipe.unet.config
    ids = rng.integers(0, len(pipe.tokenizer), (2, tokens))
    ids[:, -1] = pipe.tokenizer.eos_token_id
    latent = normal(2, unet.in_channels, unet.sample_size, unet.sample_size)
    states, pooled, sizes = normal(2, tokens, unet.cross_attention_dim), normal(2, pipe.text_encoder_2.config.projection_dim), np.full((2, 6), 64, np.float32)
    image = normal(2, 3, 64, 64).clip(-1, 1)
    t = torch.from_numpy
    pairs = {
        "text_encoder": (run("text_encoder", input_ids=ids)[0], pipe.text_encoder(t(ids)).last_hidden_state),
        "text_encoder_2": (run("text_encoder_2", input_ids=ids)[0], pipe.text_encoder_2(t(ids)).text_embeds),
        "unet": (run("unet", sample=latent, timestep=np.array(501, np.float32), encoder_hidden_states=states, text_embeds=pooled, time_ids=sizes)[0],
                 pipe.unet(t(latent), 501, t(states), added_cond_kwargs=dict(text_embeds=t(pooled), time_ids=t(sizes))).sample),
        "vae_encoder": (run("vae_encoder", sample=image)[0], pipe.vae.encode(t(image)).latent_dist.parameters),
        "vae_decoder": (run("vae_decoder", latent_sample=latent)[0], pipe.vae.decode(t(latent)).sample),
    }
    for part, (expected, got) in pairs.items():
        error = np.abs(expected - got.numpy()).max() / np.abs(expected).max()
        print(f"{part}: largest difference {error:.1e}")
        assert error < 1e-3, part


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=pathlib.Path)
    args = parser.parse_args()
    pipe = build(args.base)
    twin = WORK / "twin"
    shutil.rmtree(twin, ignore_errors=True)
    pipe.save_pretrained(twin / "torch")
    main_export(str(twin / "torch"), output=str(twin / "onnx"), task="text-to-image", library_name="diffusers", opset=18, do_validation=False)
    found = {model: {} for model in PARTS.values()}
    for part, name in PARTS.items():
        found[name] |= recover(args.base / part / "model.onnx", twin / "onnx" / part / "model.onnx", getattr(pipe, name))
    for name, weights in found.items():
        model = getattr(pipe, name)
        missing = [key for key, _ in model.named_parameters() if key not in weights]
        if missing:
            print(f"{name}: not in the graph, left at zero:", *missing)
        for key, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(np.array(weights[key]))) if key in weights else parameter.zero_()
    compare(args.base, pipe)
    shutil.rmtree(twin)
    pipe.save_pretrained(WORK / "torch")
    pipe.vae.save_pretrained(WORK / "vae-refined")


if __name__ == "__main__":
    main()
