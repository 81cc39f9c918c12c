"""Names and shapes of the tensors in a single-file checkpoint, as the latent-diffusion and OpenCLIP code name them.

Plain Python: what makes or reads a checkpoint needs no library for it. That the list is right is proved by diffusers'
single-file loader, which must find every weight (`tools/golden/checkpoints.py`).
"""

from widths import TOKENS, VOCABULARY, Widths


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
