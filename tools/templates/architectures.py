"""The known architectures as diffusers and transformers build them, at any widths (`widths.py`)."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from widths import END, HEAD, TOKENS, VOCABULARY, Widths


def unet(architecture: str, widths: Widths, head: int = HEAD) -> UNet2DConditionModel:
    if architecture == "sd":
        return UNet2DConditionModel(
            sample_size=64, block_out_channels=widths.unet, attention_head_dim=8, cross_attention_dim=sum(widths.text)
        )
    # attention_head_dim is the number of heads here.
    return UNet2DConditionModel(
        sample_size=128, block_out_channels=widths.unet, attention_head_dim=tuple(max(1, c // head) for c in widths.unet),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2, 10), use_linear_projection=True, cross_attention_dim=sum(widths.text),
        addition_embed_type="text_time", addition_time_embed_dim=widths.time,
        projection_class_embeddings_input_dim=6 * widths.time + widths.projection,
    )


def text_encoders(architecture: str, widths: Widths) -> list:
    def config(width: int, layers: int, activation: str, pad: int) -> CLIPTextConfig:
        return CLIPTextConfig(
            vocab_size=VOCABULARY, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
            num_attention_heads=width // HEAD, hidden_act=activation, max_position_embeddings=TOKENS,
            projection_dim=widths.projection or width, bos_token_id=END - 1, eos_token_id=END, pad_token_id=pad,
            attn_implementation="eager",
        )

    first = CLIPTextModel(config(widths.text[0], 12, "quick_gelu", END))
    if architecture == "sd":
        return [first]
    return [first, CLIPTextModelWithProjection(config(widths.text[1], 32, "gelu", 0))]


def vae(architecture: str, widths: Widths) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=widths.vae, layers_per_block=2, latent_channels=4,
        sample_size=1024 if architecture == "sdxl" else 512,
        scaling_factor=0.13025 if architecture == "sdxl" else 0.18215,
    )
