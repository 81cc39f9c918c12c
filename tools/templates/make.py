"""Writes the graph templates of the known architectures: real exports without weights, for any widths.

Run: python tools/templates/make.py [ARCHITECTURE]     (to remote-agent/templates)
Each part is exported at two sets of widths. What differs between the two graphs follows from widths, and must follow
from the shape of one weight (or from the width of the time_ids embeddings) in both; it is written down as a hole that
whoever uses the template fills. Anything else that differs ends the script.
"""

import gzip
import json
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

import architectures
from widths import TOKENS, Widths

# Numbers of heads that are no other number in the graph (the exporter stores equal constants once), and heads of fewer
# channels, to have them in small models.
HEAD = 32
SMALL = {
    "sdxl": (
        Widths((32, 160, 288), (64, 128), (32, 64, 96, 96), 80, 16), Widths((96, 224, 352), (128, 64), (64, 32, 64, 64), 48, 20),
    ),
    "sd": (
        Widths((32, 64, 96, 96), (64,), (32, 64, 96, 96)), Widths((64, 96, 128, 128), (128,), (64, 32, 64, 64)),
    ),
}


def unet_forward(self, sample, timestep, encoder_hidden_states, text_embeds=None, time_ids=None):
    added = None if text_embeds is None else {"text_embeds": text_embeds, "time_ids": time_ids}
    return type(self).forward(self, sample, timestep, encoder_hidden_states, added_cond_kwargs=added, return_dict=False)[0]


def parts(architecture: str, widths: Widths):
    """Name, module, example inputs, dynamic axes of the inputs, names of the outputs."""
    unet = architectures.unet(architecture, widths, HEAD)
    unet.forward = types.MethodType(unet_forward, unet)
    sides = {0: "batch", 2: "height", 3: "width"}
    inputs = {"sample": torch.randn(2, 4, 16, 24), "timestep": torch.tensor(5.0), "encoder_hidden_states": torch.randn(2, TOKENS, sum(widths.text))}
    axes = {"sample": sides, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    if architecture == "sdxl":
        inputs |= {"text_embeds": torch.randn(2, widths.projection), "time_ids": torch.randn(2, 6)}
        axes |= {"text_embeds": {0: "batch"}, "time_ids": {0: "batch"}}
    yield "unet", unet, inputs, axes, ["out_sample"]

    for i, encoder in enumerate(architectures.text_encoders(architecture, widths)):
        penultimate = architecture == "sdxl"

        def forward(self, input_ids):
            out = type(self).forward(self, input_ids, output_hidden_states=penultimate)
            pooled = (out.text_embeds,) if hasattr(out, "text_embeds") else ()
            return (*pooled, out.hidden_states[-2] if penultimate else out.last_hidden_state)

        encoder.forward = types.MethodType(forward, encoder)
        layers = encoder.config.num_hidden_layers
        names = (["text_embeds"] if i == 1 else []) + [f"hidden_states.{layers - 1}" if penultimate else "last_hidden_state"]
        yield ("text_encoder", "text_encoder_2")[i], encoder, {"input_ids": torch.ones(2, TOKENS, dtype=torch.int64)}, {"input_ids": {0: "batch"}}, names

    vae = architectures.vae(architecture, widths)
    vae.forward = types.MethodType(lambda self, sample: self.quant_conv(self.encoder(sample)), vae)
    yield "vae_encoder", vae, {"sample": torch.randn(2, 3, 32, 48)}, {"sample": sides}, ["latent_parameters"]
    vae = architectures.vae(architecture, widths)
    vae.forward = types.MethodType(lambda self, latent_sample: self.decoder(self.post_quant_conv(latent_sample)), vae)
    yield "vae_decoder", vae, {"latent_sample": torch.randn(2, 4, 8, 12)}, {"latent_sample": sides}, ["sample"]


def export(path: Path, module, inputs, axes, outputs):
    # The exporter stores equal tensors once, and the parameters of new norms are all alike.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.05)
    # Unfolded, every parameter stays in the graph under its own name and as the file stores it.
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs, dynamic_axes=axes,
        opset_version=18, do_constant_folding=False, dynamo=False,
    )



def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {n.name: numpy_helper.to_array(n.attribute[0].t) for n in model.graph.node if n.op_type == "Constant"}


def frequencies(count: int) -> np.ndarray:
    """The sinusoidal embedding's, as diffusers computes them."""
    exponent = -np.float32(np.log(10000)) * np.arange(count, dtype=np.float32) / np.float32(count)
    return np.exp(exponent)


def hole(node: str, values: list[np.ndarray], shapes: list[dict[str, tuple]], widths: list[Widths]) -> dict:
    """How the value of a constant that differs follows from a size: as a count, or as that many frequencies."""
    module = node.strip("/").rsplit("/", 1)[0].replace("/", ".")
    if module == "time_proj":
        source, divisor, sizes = ["time_embedding.linear_1.weight", 1], 2, [s["time_embedding.linear_1.weight"][1] for s in shapes]
    elif module == "add_time_proj":
        source, divisor, sizes = "time", 2, [w.time for w in widths]
    else:
        source, divisor, sizes = [f"{module}.to_q.weight", 0], HEAD, [s[f"{module}.to_q.weight"][0] for s in shapes]
    kind = "count" if values[0].dtype == np.int64 else "frequencies"
    for value, size in zip(values, sizes):
        wanted = np.array(size // divisor) if kind == "count" else frequencies(size // divisor)
        if wanted.shape != value.squeeze().shape or not np.allclose(wanted, value.squeeze(), rtol=3e-7, atol=0):
            raise SystemExit(f"{node}: {value} does not follow from {source} = {size}")
    return {"node": node, "kind": kind, "of": source, "divisor": architectures.HEAD if divisor == HEAD else divisor}


def wiring(model: onnx.ModelProto) -> list[tuple]:
    """What feeds what, under names that do not count tensors: the maker's node name, or the weight's."""
    maker = {o: f"{n.name}:{i}" for n in model.graph.node for i, o in enumerate(n.output)}
    return sorted(
        (n.name, n.op_type, tuple(maker.get(i, i) for i in n.input), tuple(str(a) for a in n.attribute if n.op_type != "Constant"))
        for n in model.graph.node
    )


def template(models: list[onnx.ModelProto], widths: list[Widths]) -> bytes:
    first, second = models
    differing = [pair for pair in zip(wiring(first), wiring(second), strict=True) if pair[0] != pair[1]]
    if differing:
        raise SystemExit(f"the two exports are wired differently: {differing[:3]}")
    shapes = [{t.name: tuple(t.dims) for t in m.graph.initializer} for m in models]
    values = [constants(m) for m in models]
    holes = [
        hole(name, [value, values[1][name]], shapes, widths)
        for name, value in values[0].items()
        if value.shape != values[1][name].shape or not np.array_equal(value, values[1][name])
    ]
    graph = first.graph
    del graph.value_info[:]
    for tensor in graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    for node in graph.node:
        node.doc_string = ""
    for mine, other in zip((*graph.input, *graph.output), (*second.graph.input, *second.graph.output)):
        for axis, (a, b) in enumerate(zip(mine.type.tensor_type.shape.dim, other.type.tensor_type.shape.dim)):
            if a.dim_value != b.dim_value:
                a.dim_param = f"{mine.name}_width_{axis}"
    entry = first.metadata_props.add()
    entry.key, entry.value = "para.holes", json.dumps(holes)
    return first.SerializeToString(deterministic=True)


def main():
    out = Path(__file__).parents[2] / "remote-agent/templates"
    out.mkdir(exist_ok=True)
    torch.manual_seed(0)
    for architecture in sys.argv[1:] or SMALL:
        sizes = SMALL[architecture]
        for both in zip(*(parts(architecture, widths) for widths in sizes)):
            models = []
            for name, *how in both:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "model.onnx"
                    export(path, *how)
                    models.append(onnx.load(str(path)))
            packed = gzip.compress(template(models, list(sizes)), mtime=0)
            (out / f"{architecture}.{name}.onnx.gz").write_bytes(packed)
            print(f"{architecture} {name}: {len(models[0].graph.node)} nodes, {len(packed)} bytes", flush=True)


if __name__ == "__main__":
    main()
