"""SDXL's U-Net in plain PyTorch, with the module paths of diffusers: for machines that have PyTorch and nothing else.

Attention is PyTorch's scaled_dot_product_attention. `checkpointing` computes transformer blocks and residual blocks
again for the backward pass, the same blocks as diffusers' `enable_gradient_checkpointing`. That it computes what
diffusers computes is shown by `tools/plain/check.py`.
"""

import math
import re

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from widths import HEAD, Widths

DEPTHS = (0, 2, 10)


class Attention(nn.Module):
    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = (nn.Linear(context, width, bias=False) for _ in range(2))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        made = (self.to_q(x), self.to_k(context), self.to_v(context))
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in made)
        return self.to_out[0](functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.net = nn.Sequential(Gated(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, width: int, context: int, heads: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.attn1, self.attn2 = Attention(width, width, heads), Attention(width, context, heads)
        self.ff = FeedForward(width)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        inner = self.norm1(x)
        x = x + self.attn1(inner, inner)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, width: int, context: int, heads: int, depth: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Linear(width, width), nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(width, context, heads) for _ in range(depth))

    def forward(self, x: torch.Tensor, context: torch.Tensor, call) -> torch.Tensor:
        rows = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        for block in self.transformer_blocks:
            rows = call(block, rows, context)
        return x + self.proj_out(rows).transpose(1, 2).unflatten(2, x.shape[2:])


class Residual(nn.Module):
    def __init__(self, into: int, out: int, embedding: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, into), nn.GroupNorm(32, out)
        self.conv1, self.conv2 = nn.Conv2d(into, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, out)
        self.conv_shortcut = nn.Conv2d(into, out, 1) if into != out else None

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        y = self.conv1(functional.silu(self.norm1(x)))
        y = y + self.time_emb_proj(functional.silu(embedding))[:, :, None, None]
        y = self.conv2(functional.silu(self.norm2(y)))
        return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Resize(nn.Module):
    """Half the size, or twice: a convolution under the name that diffusers gives it."""

    def __init__(self, width: int, up: bool):
        super().__init__()
        self.up, self.conv = up, nn.Conv2d(width, width, 3, stride=1 if up else 2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x)


class Level(nn.Module):
    """The blocks of one resolution."""

    def __init__(self, inputs: list[int], out: int, context: int, embedding: int, depth: int, resize: str = "", spare: int = 0):
        super().__init__()
        self.resnets = nn.ModuleList(Residual(into, out, embedding) for into in inputs)
        heads = max(1, out // HEAD)
        count = len(inputs) - spare if depth else 0
        self.attentions = nn.ModuleList(Transformer(out, context, heads, depth) for _ in range(count))
        if resize:
            setattr(self, resize, nn.ModuleList([Resize(out, resize == "upsamplers")]))


def sinusoid(values: torch.Tensor, width: int) -> torch.Tensor:
    """[n] numbers as [n, width]: cosines, then sines, of frequencies from 1 down to 1 / 10000."""
    half = width // 2
    powers = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32, device=values.device) / half)
    angles = values.float()[:, None] * powers
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class Embedding(nn.Module):
    def __init__(self, into: int, out: int):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(into, out), nn.Linear(out, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_2(functional.silu(self.linear_1(x)))


class Unet(nn.Module):
    def __init__(self, widths: Widths):
        super().__init__()
        self.widths, self.checkpointing = widths, False
        channels, context, first = widths.unet, sum(widths.text), widths.unet[0]
        embedding = 4 * first
        self.conv_in = nn.Conv2d(4, first, 3, padding=1)
        self.time_embedding = Embedding(first, embedding)
        self.add_embedding = Embedding(6 * widths.time + widths.projection, embedding)
        skips, width = [first], first
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, out in enumerate(channels):
            resize = "downsamplers" if i < len(channels) - 1 else ""
            self.down_blocks.append(Level([width, out], out, context, embedding, DEPTHS[i], resize))
            skips += [out, out] + ([out] if resize else [])
            width = out
        for i in reversed(range(len(channels))):
            inputs = []
            for _ in range(3):
                inputs.append(width + skips.pop())
                width = channels[i]
            self.up_blocks.append(Level(inputs, width, context, embedding, DEPTHS[i], "upsamplers" if i else ""))
        self.mid_block = Level([channels[-1]] * 2, channels[-1], context, embedding, DEPTHS[-1], spare=1)
        self.conv_norm_out, self.conv_out = nn.GroupNorm(32, first), nn.Conv2d(first, 4, 3, padding=1)

    def enable_gradient_checkpointing(self) -> None:
        self.checkpointing = True

    def _call(self, module: nn.Module, *given: torch.Tensor) -> torch.Tensor:
        again = self.checkpointing and torch.is_grad_enabled()
        return checkpoint(module, *given, use_reentrant=False) if again else module(*given)

    def forward(self, noisy, timesteps, hidden, pooled, time_ids) -> torch.Tensor:
        """noisy [n, 4, h, w], timesteps [n], hidden [n, tokens, width], pooled [n, width], time_ids [n, 6]."""
        dtype = self.conv_in.weight.dtype
        noisy, hidden = noisy.to(dtype), hidden.to(dtype)
        sizes = sinusoid(time_ids.flatten(), self.widths.time).unflatten(0, time_ids.shape).flatten(1)
        added = torch.cat([pooled.float(), sizes], dim=-1).to(dtype)
        embedding = self.time_embedding(sinusoid(timesteps, self.widths.unet[0]).to(dtype)) + self.add_embedding(added)
        x = self.conv_in(noisy)
        skips = [x]
        for level in self.down_blocks:
            for i, residual in enumerate(level.resnets):
                x = self._call(residual, x, embedding)
                if len(level.attentions):
                    x = level.attentions[i](x, hidden, self._call)
                skips.append(x)
            for resize in getattr(level, "downsamplers", ()):
                x = resize(x)
                skips.append(x)
        first, second = self.mid_block.resnets
        x = self.mid_block.attentions[0](self._call(first, x, embedding), hidden, self._call)
        x = self._call(second, x, embedding)
        for level in self.up_blocks:
            for i, residual in enumerate(level.resnets):
                x = self._call(residual, torch.cat([x, skips.pop()], dim=1), embedding)
                if len(level.attentions):
                    x = level.attentions[i](x, hidden, self._call)
            for resize in getattr(level, "upsamplers", ()):
                x = resize(x)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


PREFIX = "model.diffusion_model."
WITHIN = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}
OUTSIDE = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
}


def diffusers_name(name: str) -> str:
    """The path in diffusers' U-Net of a tensor of the checkpoint, without its prefix."""
    path, _, kind = name.rpartition(".")
    if path in OUTSIDE:
        return f"{OUTSIDE[path]}.{kind}"
    side, block, part, rest = re.fullmatch(r"(input_blocks|middle_block|output_blocks)\.(?:(\d+)\.)?(\d+)(?:\.(.+))?", path).groups()
    rest = WITHIN.get(rest, rest)
    if side == "middle_block":
        # 0 residual, 1 transformer, 2 residual.
        return f"mid_block.{'attentions.0' if part == '1' else f'resnets.{int(part) // 2}'}.{rest}.{kind}"
    at = int(block) - (side == "input_blocks")
    level, at = divmod(at, 3)
    if side == "input_blocks" and at == 2:
        return f"down_blocks.{level}.downsamplers.0.conv.{kind}"
    where = f"{'down' if side == 'input_blocks' else 'up'}_blocks.{level}"
    if rest == "conv":
        return f"{where}.upsamplers.0.conv.{kind}"
    return f"{where}.{'resnets' if part == '0' else 'attentions'}.{at}.{rest}.{kind}"
