"""PyTorch's f64 gradients of single operators and of patterns as the exporters write them.

Run: python tools/golden/rules.py
Writes remote-agent/test/golden/rules/rules.safetensors. A case named <case> is the tensors <case>/model (the bytes of
an ONNX file as u8; inputs x0, x1, ...; output y), <case>/in.x0 ... (f32), <case>/weights, <case>/y and <case>/grad.x0
... (computed in f64, stored as f32); loss = sum(weights * y). Every model is run once by ONNX Runtime and must give
PyTorch's y, so that model and gradient speak of the same function.
"""

import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

OUT = Path(__file__).resolve().parents[2] / "remote-agent/test/golden/rules"
inf = float("inf")
cases = {}


def add(name, model, function, values):
    """Checks a model against a PyTorch function of the same inputs (f32 arrays) and keeps it with the gradients."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {f"x{i}": v for i, v in enumerate(values)})
    inputs = [torch.from_numpy(v.astype(np.float64)).requires_grad_() for v in values]
    y = function(*inputs)
    assert found.shape == tuple(y.shape), (name, found.shape, tuple(y.shape))
    error = np.abs(found - y.detach().numpy()).max() if y.numel() else 0.0
    assert error < 1e-4, (name, error)
    weights = np.random.default_rng(len(cases)).standard_normal(tuple(y.shape)).astype(np.float32)
    (y * torch.from_numpy(weights)).sum().backward()
    assert name not in cases, name
    cases[name] = {"model": np.frombuffer(model.SerializeToString(), np.uint8), "weights": weights,
                   "y": y.detach().numpy().astype(np.float32),
                   **{f"in.x{i}": v for i, v in enumerate(values)},
                   **{f"grad.x{i}": x.grad.numpy().astype(np.float32) for i, x in enumerate(inputs)}}


def draw(shape, low=-1.5, high=1.5, seed=0):
    rng = np.random.default_rng([len(cases), seed])
    return np.array(rng.uniform(low, high, shape), np.float32)


def one(name, op, function, shapes, attributes=None, constants=(), opset=18, domain="", outputs=1, take=0, low=-1.5, high=1.5):
    """One operator: the inputs, then `constants` (arrays, or None for an input left out)."""
    values = [draw(s, low, high, i) for i, s in enumerate(shapes)]
    names = [f"x{i}" for i in range(len(values))]
    initializers = []
    for i, c in enumerate(constants):
        if c is not None:
            initializers.append(numpy_helper.from_array(np.asarray(c), f"c{i}"))
        names.append("" if c is None else f"c{i}")
    outs = ["y" if i == take else f"unused{i}" for i in range(outputs)]
    node = helper.make_node(op, names, outs, domain=domain, **(attributes or {}))
    build(name, [node], initializers, function, values, opset)


def build(name, nodes, initializers, function, values, opset=18):
    y = function(*[torch.from_numpy(v.astype(np.float64)) for v in values])
    info = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, v.shape) for i, v in enumerate(values)]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, tuple(y.shape))
    graph = helper.make_graph(nodes, "case", info, [out], initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    add(name, helper.make_model(graph, opset_imports=opsets, ir_version=10), function, values)


def exported(name, module, shapes, opset=18, dynamo=False):
    """A module as one of the exporters writes it."""
    values = [draw(s, seed=i) for i, s in enumerate(shapes)]
    module = module.eval().requires_grad_(False)
    file = io.BytesIO()
    inputs = tuple(torch.from_numpy(v) for v in values)
    names = {"input_names": [f"x{i}" for i in range(len(values))], "output_names": ["y"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = {"verbose": False} if dynamo else {}
        torch.onnx.export(module, inputs, file, opset_version=opset, dynamo=dynamo, **names, **more)
    model = onnx.load_from_string(file.getvalue())
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output]:
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:], model.graph.value_info[:]
    exact = module.double()
    add(f"{'dynamo' if dynamo else 'torchscript'} {opset}: {name}", model, exact, values)
    module.float()


def ints(*values):
    return np.array(values, np.int64)


def floats(*values):
    return np.array(values, np.float32)


SHAPES = [((2, 3), (2, 3)), ((2, 3, 4), (4,)), ((2, 1, 4), (3, 1)), ((), (2, 2)), ((1,), (3,))]


def elementwise():
    for op, f in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul)]:
        for a, b in SHAPES:
            one(f"{op} {a} {b}", op, f, [a, b])
    for a, b in SHAPES:
        one(f"Div {a} {b}", "Div", torch.div, [a, b], low=0.5)
        one(f"Pow {a} {b}", "Pow", torch.pow, [a, b], low=0.5)
    for p in [-1, 0, 0.5, 1, 2, 3]:
        one(f"Pow by {p}", "Pow", lambda x, p=p: x**p, [(2, 3)], constants=[floats(p)], low=0.5)
    one("Pow by integers squared", "Pow", lambda x: x**2, [(2, 3)], constants=[ints(2)])
    one("Pow by a constant of higher rank", "Pow", lambda x: (x**1.5)[None], [(3,)], constants=[floats([1.5])], low=0.5)
    one("Sum of one", "Sum", lambda x: x * 1, [(2, 3)])
    one("Sum of three", "Sum", lambda a, b, c: a + b + c, [(2, 3), (3,), (2, 1)])
    for op, f in [("Neg", torch.neg), ("Exp", torch.exp), ("Abs", torch.abs), ("Sigmoid", torch.sigmoid), ("Tanh", torch.tanh),
                  ("Erf", torch.erf), ("Relu", torch.relu), ("Identity", lambda x: x * 1), ("Dropout", lambda x: x * 1)]:
        one(op, op, f, [(3, 5)])
    for op, f in [("Sqrt", torch.sqrt), ("Log", torch.log), ("Reciprocal", torch.reciprocal)]:
        one(op, op, f, [(3, 5)], low=0.2)
    one("Sigmoid far out", "Sigmoid", torch.sigmoid, [(20,)], low=-12, high=12)
    for kind in ["none", "tanh"]:
        one(f"Gelu {kind}", "Gelu", lambda x, kind=kind: F.gelu(x, approximate=kind), [(3, 5)], {"approximate": kind}, opset=20, low=-5, high=5)
    one("fused Gelu", "Gelu", F.gelu, [(3, 5)], domain="com.microsoft")
    one("fused QuickGelu", "QuickGelu", lambda x: x * torch.sigmoid(1.702 * x), [(3, 5)], {"alpha": 1.702}, domain="com.microsoft")
    one("fused QuickGelu as SiLU", "QuickGelu", F.silu, [(3, 5)], {"alpha": 1.0}, domain="com.microsoft")
    one("Clip both", "Clip", lambda x: x.clamp(-0.5, 0.7), [(4, 5)], constants=[np.float32(-0.5), np.float32(0.7)])
    one("Clip above", "Clip", lambda x: x.clamp(max=0.2), [(4, 5)], constants=[None, np.float32(0.2)])
    for op, f in [("Max", torch.maximum), ("Min", torch.minimum)]:
        one(op, op, f, [(2, 3, 4), (3, 1)])
    for axis, shape in [(-1, (2, 3, 4)), (0, (3, 4)), (1, (2, 3, 4)), (-2, (2, 3, 1))]:
        one(f"Softmax over {axis} of {shape}", "Softmax", lambda x, a=axis: x.softmax(a), [shape], {"axis": axis}, low=-4, high=4)
    one("Cast", "Cast", lambda x: x * 1, [(2, 3)], {"to": TensorProto.FLOAT})


def products():
    for a, b in [((3, 4), (4, 2)), ((2, 3, 4), (4, 2)), ((2, 3, 4), (2, 4, 5)), ((2, 2, 3, 4), (1, 2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)),
                 ((3, 4), (2, 4, 5)), ((4,), (4, 2)), ((1, 1, 4), (4, 1))]:
        one(f"MatMul {a} {b}", "MatMul", torch.matmul, [a, b])
    for ta in (0, 1):
        for tb in (0, 1):
            for c in [(2,), (3, 1), (), None]:
                def f(a, b, c=None, ta=ta, tb=tb):
                    y = 0.7 * ((a.T if ta else a) @ (b.T if tb else b))
                    return y if c is None else y + 1.3 * c
                shapes = [(4, 3) if ta else (3, 4), (2, 4) if tb else (4, 2)] + ([c] if c is not None else [])
                one(f"Gemm {ta} {tb} {c}", "Gemm", f, shapes, {"transA": ta, "transB": tb, "alpha": 0.7, "beta": 1.3})
    for equation, shapes in [("bid,bjd->bij", [(2, 3, 4), (2, 5, 4)]), ("ij,jk", [(3, 4), (4, 2)]), ("nchw,oc->nohw", [(2, 3, 2, 2), (4, 3)]),
                             ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]), ("ij->ji", [(2, 3)])]:
        one(f"Einsum {equation}", "Einsum", lambda *x, e=equation: torch.einsum(e, *x), shapes, {"equation": equation})


def convolutions():
    for name, x, w, o in [("3x3", (1, 2, 5, 6), (3, 2, 3, 3), {"padding": 1}), ("3x3 stride 2 odd", (2, 2, 5, 7), (3, 2, 3, 3), {"padding": 1, "stride": 2}),
                          ("3x3 stride 2 even", (1, 2, 6, 8), (2, 2, 3, 3), {"padding": 1, "stride": 2}), ("1x1", (2, 3, 4, 4), (2, 3, 1, 1), {}),
                          ("1x1 stride 2", (1, 3, 5, 4), (2, 3, 1, 1), {"stride": 2}), ("dilation 2", (1, 2, 7, 7), (2, 2, 3, 3), {"dilation": 2}),
                          ("no padding", (1, 2, 5, 5), (2, 2, 3, 3), {}), ("uneven kernel", (1, 2, 5, 6), (3, 2, 1, 3), {}),
                          ("stride 3", (1, 2, 8, 9), (2, 2, 3, 3), {"padding": 1, "stride": 3})]:
        p, s, d = (o.get(k, v) for k, v in (("padding", 0), ("stride", 1), ("dilation", 1)))
        attributes = {"pads": [p] * 4, "strides": [s] * 2, "dilations": [d] * 2}
        for bias in (True, False):
            one(f"Conv {name}{'' if bias else ' without bias'}", "Conv", lambda *a, o=o: F.conv2d(*a, **o), [x, w] + [w[:1]] * bias, attributes)
    weight = draw((4, 2, 3, 3))
    one("Conv in groups", "Conv", lambda x: F.conv2d(x, torch.from_numpy(weight).to(x.dtype), groups=2, padding=1), [(1, 4, 5, 5)],
        {"group": 2, "pads": [1] * 4}, [weight])
    for name, shape, size, o in [("nearest 2", (1, 2, 3, 2), (6, 4), {}), ("nearest 3 and 1", (1, 2, 3, 2), (9, 2), {}), ("nearest uneven", (1, 2, 3, 4), (5, 7), {}),
                                 ("nearest smaller", (1, 2, 4, 6), (2, 3), {}), ("linear 2", (1, 2, 3, 2), (6, 4), {"mode": "bilinear"}),
                                 ("linear uneven", (2, 2, 3, 4), (5, 3), {"mode": "bilinear"}),
                                 ("linear by corners", (1, 2, 3, 4), (5, 7), {"mode": "bilinear", "align_corners": True})]:
        how = "align_corners" if "align_corners" in o else "pytorch_half_pixel" if o else "asymmetric"
        attributes = {"mode": "linear" if o else "nearest", "coordinate_transformation_mode": how, "nearest_mode": "floor"}
        one(f"Resize {name}", "Resize", lambda x, o=o, s=size: F.interpolate(x, size=s, **o), [shape], attributes, [None, None, ints(*shape[:2], *size)])
    one("Resize by scales", "Resize", lambda x: F.interpolate(x, scale_factor=2.0), [(1, 2, 3, 2)],
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, [None, floats(1, 1, 2, 2)])
    one("Pad", "Pad", lambda x: F.pad(x, (1, 0, 0, 2)), [(2, 3)], constants=[ints(0, 1, 2, 0)])
    one("Pad by axes and a value", "Pad", lambda x: F.pad(x, (0, 1, 2, 0), value=3.0), [(1, 2, 3, 3)], constants=[ints(2, 0, 0, 1), np.float32(3), ints(2, -1)])
    one("Pad that cuts off", "Pad", lambda x: F.pad(x, (-1, 2)), [(2, 4)], constants=[ints(0, -1, 0, 2)])


def norms():
    for shape, axis in [((2, 3, 5), -1), ((2, 3, 4), 1), ((4, 6), -1), ((2, 2, 2, 3), 2)]:
        normal = shape[axis:] if axis > 0 else shape[-1:]
        ln = lambda x, w, b=None, n=normal: F.layer_norm(x, n, w, b, 1e-5)
        one(f"LayerNormalization {shape} {axis}", "LayerNormalization", ln, [shape, normal, normal], {"axis": axis, "epsilon": 1e-5})
        one(f"LayerNormalization {shape} {axis} without bias", "LayerNormalization", ln, [shape, normal], {"axis": axis, "epsilon": 1e-5})
    frozen = draw((5,))
    one("LayerNormalization, frozen scale", "LayerNormalization", lambda x: F.layer_norm(x, (5,), torch.from_numpy(frozen).to(x.dtype), None, 1e-3),
        [(3, 5)], {"epsilon": 1e-3}, [frozen])
    one("LayerNormalization, scale of ones", "LayerNormalization", lambda x: F.layer_norm(x, (5,)), [(3, 5)], {"epsilon": 1e-5}, [np.ones(5, np.float32)])
    for shape in [(2, 3, 4, 2), (2, 3, 7)]:
        one(f"InstanceNormalization {shape}", "InstanceNormalization", lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-4), [shape, shape[1:2], shape[1:2]],
            {"epsilon": 1e-4})
    for shape, groups in [((2, 4, 3, 2), 2), ((1, 6, 5), 3), ((2, 4, 2, 2), 1), ((2, 4, 2, 2), 4)]:
        one(f"GroupNormalization {shape} in {groups}", "GroupNormalization", lambda x, w, b, g=groups: F.group_norm(x, g, w, b, 1e-4),
            [shape, shape[1:2], shape[1:2]], {"num_groups": groups, "epsilon": 1e-4}, opset=21)
        spread = lambda v, s=shape, g=groups: v.repeat_interleave(s[1] // g)
        one(f"GroupNormalization 18 {shape} in {groups}", "GroupNormalization", lambda x, w, b, g=groups, s=spread: F.group_norm(x, g, s(w), s(b), 1e-4),
            [shape, (groups,), (groups,)], {"num_groups": groups, "epsilon": 1e-4})


def shapes():
    one("Reshape", "Reshape", lambda x: x.reshape(3, 4), [(2, 6)], constants=[ints(3, -1)])
    one("Flatten", "Flatten", lambda x: x.reshape(6, 4), [(2, 3, 4)], {"axis": 2})
    one("Unsqueeze", "Unsqueeze", lambda x: x[:, None, :, None], [(2, 3)], constants=[ints(1, 3)])
    one("Squeeze", "Squeeze", lambda x: x.squeeze(1), [(2, 1, 3)], constants=[ints(1)])
    for perm in [(2, 0, 1), (0, 2, 1), (1, 0, 2)]:
        one(f"Transpose {perm}", "Transpose", lambda x, p=perm: x.permute(p), [(2, 3, 4)], {"perm": perm})
    one("Expand", "Expand", lambda x: x.expand(4, 2, 5, 3), [(2, 1, 3)], constants=[ints(4, 2, 5, 3)])
    one("Expand by ones", "Expand", lambda x: x * 1, [(2, 3)], constants=[ints(1, 1)])
    for name, f, c in [("one axis", lambda x: x[:, 2:5], [ints(2), ints(5), ints(-1)]), ("two axes", lambda x: x[1:3, 2:], [ints(1, 2), ints(3, 2**62), ints(0, 1)]),
                       ("from the end", lambda x: x[:, -3:-1], [ints(-3), ints(-1), ints(1)]), ("step", lambda x: x[:, 1:6:3], [ints(1), ints(6), ints(1), ints(3)]),
                       ("backwards", lambda x: x.flip(1), [ints(-1), ints(-(2**62)), ints(1), ints(-1)]),
                       ("backwards by two", lambda x: x[1:].flip(0)[::2, 1::2], [ints(-1, 1), ints(0, 6), ints(0, 1), ints(-2, 2)])]:
        one(f"Slice {name}", "Slice", f, [(4, 6)], constants=c)
    one("Split in two", "Split", lambda x: x.chunk(2, 1)[1], [(2, 6)], {"axis": 1, "num_outputs": 2}, outputs=2, take=1)
    one("Split unevenly", "Split", lambda x: x[..., 1:4], [(2, 6)], {"axis": -1}, [ints(1, 3, 2)], outputs=3, take=1)
    one("Split of opset 17", "Split", lambda x: x[:2], [(6, 2)], {}, opset=17, outputs=3, take=0)
    one("Concat", "Concat", lambda *x: torch.cat(x, 1), [(2, 3), (2, 1), (2, 2)], {"axis": 1})
    one("Concat of ten", "Concat", lambda *x: torch.cat(x, -1), [(2, 1 + i % 2) for i in range(10)], {"axis": -1})
    one("Gather rows", "Gather", lambda x: x[[2, 0, 2]], [(4, 3)], constants=[ints(2, 0, 2)])
    one("Gather a table of columns", "Gather", lambda x: x[:, [[1, 1], [0, 3]]], [(2, 4, 3)], {"axis": 1}, [ints([1, 1], [0, -1])])
    one("Gather one", "Gather", lambda x: x[:, 2], [(2, 4, 3)], {"axis": 1}, [np.int64(2)])
    one("Gather by int32", "Gather", lambda x: x[[1, 1]], [(3, 2)], constants=[np.array([1, 1], np.int32)])
    one("GatherND rows", "GatherND", lambda x: x[[0, 1, 0], [1, 3, 1]], [(2, 4, 3)], constants=[ints([0, 1], [1, 3], [0, 1])])
    one("GatherND elements", "GatherND", lambda x: x[[0, 1], [1, 2], [2, 0]], [(2, 4, 3)], constants=[ints([0, 1, 2], [1, 2, 0])])
    condition = np.array([[True, False, True], [False, False, True]])
    at = torch.from_numpy(condition)
    build("Where", [helper.make_node("Where", ["c", "x0", "x1"], ["y"])], [numpy_helper.from_array(condition, "c")], lambda a, b: torch.where(at, a, b), [draw((2, 3)), draw((3,))])
    build("Where against minus infinity", [helper.make_node("Where", ["c", "x0", "low"], ["s"]), helper.make_node("Softmax", ["s"], ["y"], axis=-1)],
          [numpy_helper.from_array(condition, "c"), numpy_helper.from_array(np.float32(-inf), "low")], lambda x: torch.where(at, x, -inf).softmax(-1), [draw((2, 3))])


def reductions():
    kinds = {"ReduceSum": lambda x, a, k: x.sum(a, keepdim=k), "ReduceMean": lambda x, a, k: x.mean(a, keepdim=k), "ReduceMax": lambda x, a, k: x.amax(a, keepdim=k),
             "ReduceMin": lambda x, a, k: x.amin(a, keepdim=k), "ReduceL2": lambda x, a, k: torch.linalg.vector_norm(x, dim=a, keepdim=k),
             "ReduceSumSquare": lambda x, a, k: x.square().sum(a, keepdim=k)}
    for op, f in kinds.items():
        for axes, keep in [((1,), 1), ((0, -1), 0), ((-1,), 1)]:
            one(f"{op} {axes} {keep}", op, lambda x, f=f, a=axes, k=keep: f(x, a, bool(k)), [(2, 3, 4)], {"keepdims": keep}, [ints(*axes)])
        one(f"{op} over all", op, lambda x, f=f: f(x, (0, 1), False), [(2, 3)], {"keepdims": 0})
        if op != "ReduceSum":
            one(f"{op} of opset 17", op, lambda x, f=f: f(x, (1,), True), [(2, 3)], {"axes": [1]}, opset=17)
    for op in ("ReduceSum", "ReduceMean"):
        one(f"{op} over none", op, lambda x: x * 1, [(2, 3)], {"noop_with_empty_axes": 1}, [ints()])
    x = np.array([[1, 3, 3], [2, 0, 1]], np.float32)
    build("ReduceMax of equals", [helper.make_node("ReduceMax", ["x0", "a"], ["y"])], [numpy_helper.from_array(ints(1), "a")], lambda x: x.amax(1, keepdim=True), [x])
    build("ReduceL2 of zeros", [helper.make_node("ReduceL2", ["x0", "a"], ["y"])], [numpy_helper.from_array(ints(1), "a")],
          lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True), [np.array([[0, 0], [3, 4]], np.float32)])


def attention():
    sdpa = F.scaled_dot_product_attention
    q, k, v = (1, 2, 3, 4), (1, 2, 5, 4), (1, 2, 5, 6)
    one("Attention", "Attention", sdpa, [q, k, v], opset=23)
    one("Attention, scale", "Attention", lambda *a: sdpa(*a, scale=0.3), [q, k, v], {"scale": 0.3}, opset=23)
    one("Attention, trained mask", "Attention", lambda q, k, v, m: sdpa(q, k, v, m), [q, k, v, (3, 5)], opset=23)
    mask = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [0, 1, 1, 1, 1]], bool)
    one("Attention, mask of truth values", "Attention", lambda *a: sdpa(*a, attn_mask=torch.from_numpy(mask)), [q, k, v], constants=[mask], opset=23)


class Lambda(torch.nn.Module):
    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for key, layer in layers.items():
            for i, p in enumerate(layer.parameters()):
                p.data = torch.from_numpy(draw(tuple(p.shape), -0.7, 0.7, 50 + i))
            setattr(self, key, layer)

    def forward(self, *x):
        return self.function(self, *x)


def patterns():
    nn = torch.nn

    def legacy(m, x):
        q, k, v = m.qkv(x).chunk(3, -1)
        scores = torch.baddbmm(torch.zeros(q.shape[0], q.shape[1], k.shape[1], dtype=q.dtype), q, k.transpose(-1, -2), beta=0, alpha=0.5)
        return torch.bmm(scores.softmax(-1), v)

    def heads(m, x, c):
        q, k, v = (t.view(t.shape[0], -1, 2, 3).transpose(1, 2) for t in (m.q(x), m.k(c), m.v(c)))
        return m.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape[0], -1, 6))

    def causal(m, x):
        q, k, v = (t.view(t.shape[0], -1, 2, 3).transpose(1, 2) for t in (m.q(x), m.k(x), m.v(x)))
        mask = torch.full((4, 4), -inf, dtype=x.dtype).triu(1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)

    def resnet(m, x, t):
        h = m.c1(F.silu(m.n1(x))) + m.t(F.silu(t))[:, :, None, None]
        return m.short(x) + m.c2(F.silu(m.n2(h)))

    def geglu(m, x):
        value, gate = m.p(x).chunk(2, -1)
        return m.o(value * F.gelu(gate))

    def pooled(m, x):
        ids = torch.tensor([[1, 9, 3], [2, 4, 9]])
        return m.p(m.n(x)[torch.arange(2), ids.argmax(-1)])

    three = {k: nn.Linear(6, 6) for k in "qkv"}
    modules = {
        "quick_gelu": (Lambda(lambda m, x: m.b(m.a(x) * torch.sigmoid(1.702 * m.a(x))), a=nn.Linear(4, 6), b=nn.Linear(6, 4)), [(2, 3, 4)]),
        "gelu by tanh": (Lambda(lambda m, x: F.gelu(x, approximate="tanh")), [(2, 5)]),
        "group normalisation": (Lambda(lambda m, x: m.n(x), n=nn.GroupNorm(2, 4)), [(2, 4, 3, 2)]),
        "residual block": (Lambda(resnet, n1=nn.GroupNorm(2, 4), c1=nn.Conv2d(4, 6, 3, padding=1), t=nn.Linear(5, 6), n2=nn.GroupNorm(3, 6),
                                  c2=nn.Conv2d(6, 6, 3, padding=1), short=nn.Conv2d(4, 6, 1)), [(2, 4, 4, 3), (2, 5)]),
        "attention of legacy processors": (Lambda(legacy, qkv=nn.Linear(4, 12)), [(2, 3, 4)]),
        "cross attention": (Lambda(heads, **three, out=nn.Linear(6, 6)), [(2, 4, 6), (2, 3, 6)]),
        "causal attention": (Lambda(causal, **three), [(1, 4, 6)]),
        "geglu": (Lambda(geglu, p=nn.Linear(4, 12), o=nn.Linear(6, 4)), [(2, 3, 4)]),
        "upsampling": (Lambda(lambda m, x: m.c(F.interpolate(x, scale_factor=2.0, mode="nearest")), c=nn.Conv2d(2, 3, 3, padding=1)), [(1, 2, 3, 3)]),
        "upsampling to a size": (Lambda(lambda m, x: F.interpolate(x, size=(5, 7), mode="nearest")), [(1, 2, 3, 4)]),
        "downsampling with uneven padding": (Lambda(lambda m, x: m.c(F.pad(x, (0, 1, 0, 1))), c=nn.Conv2d(2, 3, 3, stride=2)), [(1, 2, 6, 4)]),
        "pooled token": (Lambda(pooled, n=nn.LayerNorm(4), p=nn.Linear(4, 3, bias=False)), [(2, 3, 4)]),
        "einsum projection": (Lambda(lambda m, x, w: torch.einsum("bchw,oc->bohw", x, w)), [(1, 3, 2, 2), (4, 3)]),
    }
    for name, (module, sizes) in modules.items():
        exported(name, module, sizes, 17)
        exported(name, module, sizes, 18, dynamo=True)
    for name in ("causal attention", "cross attention", "residual block"):
        exported(name, *modules[name], 23, dynamo=True)


def fused():
    def attend(q, k, v, scale=None):
        split = lambda x: x.unflatten(-1, (2, -1)).transpose(1, 2)
        o = F.scaled_dot_product_attention(split(q), split(k), split(v), scale=scale)
        return o.transpose(1, 2).flatten(2)

    shapes = [(2, 4, 6), (2, 3, 6), (2, 3, 8)]
    one("fused attention", "MultiHeadAttention", attend, shapes, {"num_heads": 2}, domain="com.microsoft")
    one("fused attention with a scale", "MultiHeadAttention", lambda q, k, v: attend(q, k, v, 0.3), shapes,
        {"num_heads": 2, "scale": 0.3}, domain="com.microsoft")


def main():
    logging.disable(logging.WARNING)
    for make in (elementwise, products, convolutions, norms, shapes, reductions, attention, patterns, fused):
        make()
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = {f"{name}/{key}": np.array(v, order="C") for name, case in cases.items() for key, v in case.items()}
    save_file(tensors, OUT / "rules.safetensors")
    print(len(cases), "cases,", (OUT / "rules.safetensors").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
