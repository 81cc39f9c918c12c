"""Makes a torch pipeline from a base's ONNX folder, for scripts that compare with PyTorch, PEFT and diffusers.

Run: python tools/torch_pipeline.py BASE OUT     (BASE: official SDXL ONNX layout, exported through TorchScript)
Models are built from the folder's configs. Weights are read back from the ONNX files: by the initialiser's name where
the exporter kept it, else by the module path in the name of the node that uses it (matrices lie transposed there).
Every part is then run in onnxruntime and in torch on the same input, and the largest difference relative to the
largest output is printed; above 1e-4 nothing is written. Tensors that no file holds (unused by the graphs) keep random
values and are listed.
"""

import argparse
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from onnx import numpy_helper
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer


def weights(model: onnx.ModelProto, wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of a model file under the names of a state dict."""
    constants = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in model.graph.initializer}
    for node in model.graph.node:
        # Weights stored as f16, and equal ones that the exporter stored once.
        if node.op_type in ("Cast", "Identity") and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    found = {}

    def keep(key, value):
        if key in wanted and wanted[key].numel() == value.size:
            found.setdefault(key, torch.from_numpy(np.ascontiguousarray(value)).reshape(wanted[key].shape))

    for name, value in constants.items():
        keep(name, value)
    for node in model.graph.node:
        named = re.match(r"/(.+)/(MatMul|Gemm|Conv|Mul|Add)(_\d+)?$", node.name)
        for given in node.input if named else ():
            if given not in constants:
                continue
            path, value = named[1].replace("/", "."), constants[given]
            if named[2] == "MatMul":
                keep(f"{path}.weight", value.T)
            elif named[2] == "Mul":
                keep(f"{path}.weight", value)
            elif named[2] == "Add":
                keep(f"{path}.bias", value)
    return found


def fill(module: torch.nn.Module, *paths: Path) -> list[str]:
    """Loads what the files hold; the keys that they lack."""
    state = module.state_dict()
    found = {}
    for path in paths:
        found |= weights(onnx.load(str(path)), state)
    module.load_state_dict(found, strict=False)
    module.eval()
    return sorted(k for k in state if k not in found and not k.endswith("position_ids"))


def check(path: Path, run, feeds: dict[str, np.ndarray]) -> float:
    """Largest difference of torch from the file, relative to the largest value."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ports = {port.name: port.type for port in session.get_inputs()}
    cast = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    given = {k: v.astype(cast.get(ports[k], np.float32)) for k, v in feeds.items() if k in ports}
    expected = session.run(None, given)[0]
    with torch.no_grad():
        got = run({k: torch.from_numpy(v) for k, v in given.items()}).numpy()
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    base = args.base
    torch.manual_seed(1)
    read = lambda part: {k: v for k, v in json.loads((base / part / "config.json").read_text()).items() if not k.startswith("_")}
    unet = UNet2DConditionModel.from_config(read("unet"))
    vae = AutoencoderKL.from_config(read("vae_decoder"))
    first = CLIPTextModel(CLIPTextConfig(**read("text_encoder")))
    second = CLIPTextModelWithProjection(CLIPTextConfig(**read("text_encoder_2")))
    file = lambda part: base / part / "model.onnx"
    parts = {
        "unet": (unet, [file("unet")]), "vae": (vae, [file("vae_encoder"), file("vae_decoder")]),
        "text_encoder": (first, [file("text_encoder")]), "text_encoder_2": (second, [file("text_encoder_2")]),
    }
    for name, (module, files) in parts.items():
        missing = fill(module, *files)
        total = sum(p.numel() for p in module.parameters())
        print(f"{name}: {total} weights read back" + (f", not in the files: {', '.join(missing)}" if missing else ""))

    rng, c = np.random.default_rng(1), unet.config
    side, pooled = c.sample_size, c.projection_class_embeddings_input_dim - 6 * c.addition_time_embed_dim
    length = first.config.max_position_embeddings
    normal = lambda *dims: rng.standard_normal(dims).astype(np.float32)
    pixels = side * 2 ** (len(vae.config.block_out_channels) - 1)
    ids = rng.integers(0, first.config.vocab_size, (1, length))
    added = lambda f: {"text_embeds": f["text_embeds"], "time_ids": f["time_ids"]}
    errors = {
        "unet": check(
            file("unet"),
            lambda f: unet(f["sample"], f["timestep"], f["encoder_hidden_states"], added_cond_kwargs=added(f)).sample,
            {"sample": normal(1, c.in_channels, side, side), "timestep": np.array(500.0), "text_embeds": normal(1, pooled),
             "encoder_hidden_states": normal(1, length, c.cross_attention_dim), "time_ids": np.full((1, 6), float(pixels))},
        ),
        "text_encoder": check(file("text_encoder"), lambda f: first(f["input_ids"])[0], {"input_ids": ids}),
        "text_encoder_2": check(file("text_encoder_2"), lambda f: second(f["input_ids"])[0], {"input_ids": ids}),
        "vae_encoder": check(
            file("vae_encoder"), lambda f: vae.encode(f["sample"]).latent_dist.parameters, {"sample": normal(1, 3, pixels, pixels).clip(-1, 1)}
        ),
        "vae_decoder": check(
            file("vae_decoder"), lambda f: vae.decode(f["latent_sample"]).sample, {"latent_sample": normal(1, c.in_channels, side, side)}
        ),
    }
    for name, error in errors.items():
        print(f"{name}: torch and onnxruntime differ by {error:.1e} of the largest value")
    if max(errors.values()) > 1e-4:
        raise SystemExit("the pipeline does not compute what the files compute; nothing written")

    shutil.rmtree(args.out, ignore_errors=True)
    StableDiffusionXLPipeline(
        vae=vae, text_encoder=first, text_encoder_2=second, unet=unet, scheduler=DDIMScheduler.from_pretrained(base / "scheduler"),
        tokenizer=CLIPTokenizer.from_pretrained(base / "tokenizer"), tokenizer_2=CLIPTokenizer.from_pretrained(base / "tokenizer_2"),
        add_watermarker=False,
    ).save_pretrained(args.out)
    print(args.out)


if __name__ == "__main__":
    main()
