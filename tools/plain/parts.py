"""SDXL's text encoders and the decoder of its VAE in plain PyTorch, with the names of the checkpoint itself."""

import torch
from torch import nn
from torch.nn import functional
from widths import END, HEAD, TOKENS, VOCABULARY, Widths


class TextBlock(nn.Module):
    """One layer of a text encoder: `joined` with one matrix for queries, keys and values, as OpenCLIP writes it."""

    def __init__(self, width: int, joined: bool):
        super().__init__()
        self.heads, self.joined = width // HEAD, joined
        names = ("ln_1", "ln_2", "attn", "mlp") if joined else ("layer_norm1", "layer_norm2", "self_attn", "mlp")
        first, second, attention, mlp = names
        self.names = names
        self.add_module(first, nn.LayerNorm(width))
        self.add_module(second, nn.LayerNorm(width))
        inside = nn.Module()
        if joined:
            inside.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
            inside.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        else:
            inside.q_proj, inside.k_proj, inside.v_proj = (nn.Linear(width, width) for _ in range(3))
        inside.out_proj = nn.Linear(width, width)
        self.add_module(attention, inside)
        self.add_module(mlp, nn.Module())
        ends = ("c_fc", "c_proj") if joined else ("fc1", "fc2")
        self.mlp.add_module(ends[0], nn.Linear(width, 4 * width))
        self.mlp.add_module(ends[1], nn.Linear(4 * width, width))
        self.ends = ends

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, attention = (getattr(self, name) for name in self.names[:3])
        y = first(x)
        if self.joined:
            made = functional.linear(y, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        else:
            made = (attention.q_proj(y), attention.k_proj(y), attention.v_proj(y))
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in made)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + attention.out_proj(y)
        y = getattr(self.mlp, self.ends[0])(second(x))
        # OpenCLIP has GELU, CLIP its quick form.
        y = functional.gelu(y) if self.joined else y * torch.sigmoid(1.702 * y)
        return x + getattr(self.mlp, self.ends[1])(y)


def module(**parts) -> nn.Module:
    made = nn.Module()
    for name, part in parts.items():
        if isinstance(part, nn.Parameter):
            made.register_parameter(name, part)
        else:
            made.add_module(name, part)
    return made


def clip(width: int) -> nn.Module:
    embeddings = module(token_embedding=nn.Embedding(VOCABULARY, width), position_embedding=nn.Embedding(TOKENS, width))
    encoder = module(layers=nn.ModuleList(TextBlock(width, False) for _ in range(12)))
    return module(text_model=module(embeddings=embeddings, encoder=encoder, final_layer_norm=nn.LayerNorm(width)))


def open_clip(width: int, projection: int) -> nn.Module:
    return module(
        token_embedding=nn.Embedding(VOCABULARY, width),
        positional_embedding=nn.Parameter(torch.empty(TOKENS, width)),
        text_projection=nn.Parameter(torch.empty(width, projection)),
        transformer=module(resblocks=nn.ModuleList(TextBlock(width, True) for _ in range(32))),
        ln_final=nn.LayerNorm(width),
    )


def text_states(first: nn.Module, second: nn.Module, ids: torch.Tensor, ids_2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """ids [n, tokens] of both encoders' tokenizers -> hidden [n, tokens, width], pooled [n, width]."""
    model = first.text_model
    x = model.embeddings.token_embedding(ids) + model.embeddings.position_embedding.weight
    # The last layer but one: what follows it is used for nothing.
    for block in model.encoder.layers[:-1]:
        x = block(x)
    y = second.token_embedding(ids_2) + second.positional_embedding
    for block in second.transformer.resblocks[:-1]:
        y = block(y)
    last = second.ln_final(second.transformer.resblocks[-1](y))
    ends = (ids_2 == END).int().argmax(dim=-1)
    return torch.cat([x, y], dim=-1), last[torch.arange(len(ids_2)), ends] @ second.text_projection


class DecoderResidual(nn.Module):
    def __init__(self, into: int, out: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, into, eps=1e-6), nn.GroupNorm(32, out, eps=1e-6)
        self.conv1, self.conv2 = nn.Conv2d(into, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        if into != out:
            self.nin_shortcut = nn.Conv2d(into, out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv2(functional.silu(self.norm2(self.conv1(functional.silu(self.norm1(x))))))
        return y + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class PixelAttention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        q, k, v = (layer(y).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        z = functional.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.proj_out(z)


class Decoder(nn.Module):
    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        width = channels[-1]
        self.conv_in = nn.Conv2d(4, width, 3, padding=1)
        self.mid = module(block_1=DecoderResidual(width, width), attn_1=PixelAttention(width), block_2=DecoderResidual(width, width))
        levels = []
        for i in reversed(range(len(channels))):
            blocks = nn.ModuleList(DecoderResidual(width if j == 0 else channels[i], channels[i]) for j in range(3))
            width = channels[i]
            levels.insert(0, module(block=blocks, **({"upsample": module(conv=nn.Conv2d(width, width, 3, padding=1))} if i else {})))
        self.up = nn.ModuleList(levels)
        self.norm_out, self.conv_out = nn.GroupNorm(32, width, eps=1e-6), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        x = self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))
        for level in reversed(self.up):
            for block in level.block:
                x = block(x)
            if hasattr(level, "upsample"):
                x = level.upsample.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(functional.silu(self.norm_out(x)))


class Vae(nn.Module):
    def __init__(self, widths: Widths):
        super().__init__()
        self.post_quant_conv, self.decoder = nn.Conv2d(4, 4, 1), Decoder(widths.vae)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents [n, 4, h, w] as the U-Net has them -> pictures in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents / 0.13025))
