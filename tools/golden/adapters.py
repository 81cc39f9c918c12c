"""Golden files of the adapters room: what PEFT and diffusers save, and what their U-Net gives with it.

Writes remote-agent/test/golden/adapters/: a tiny U-Net of the SDXL architecture (random weights), adapters made and
saved by PEFT and diffusers, and inputs and outputs of every case. Usage: python tools/golden/adapters.py
"""

import copy
import json
import pathlib
import shutil

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import DeftConfig, LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

OUT = pathlib.Path(__file__).parents[2] / "remote-agent/test/golden/adapters"
ATTENTION = r".*attn[12]\.(to_q|to_k|to_v|to_out\.0)"
WITH_CONVS = ATTENTION + r"|.*resnets\.\d\.(conv1|conv_shortcut|time_emb_proj)|.*downsamplers\.0\.conv|.*upsamplers\.0\.conv"


def make_unet() -> UNet2DConditionModel:
    torch.manual_seed(7)
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=(1, 2),
        transformer_layers_per_block=1,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=32,
    ).eval()


def make_inputs() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(11)
    return {
        "sample": torch.randn(1, 4, 8, 8, generator=g),
        "timestep": torch.tensor([421.0]),
        "encoder_hidden_states": torch.randn(1, 5, 12, generator=g),
        "text_embeds": torch.randn(1, 8, generator=g),
        "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]]),
    }


class FlatUnet(UNet2DConditionModel):
    """The U-Net with plain inputs, as exporters patch it; module paths stay as they are."""

    def forward(self, sample, timestep, encoder_hidden_states, text_embeds, time_ids):
        added = {"text_embeds": text_embeds, "time_ids": time_ids}
        return super().forward(sample, timestep, encoder_hidden_states, added_cond_kwargs=added, return_dict=False)[0]


def run(unet) -> torch.Tensor:
    x = make_inputs()
    added = {"text_embeds": x["text_embeds"], "time_ids": x["time_ids"]}
    with torch.no_grad():
        return unet(x["sample"], x["timestep"], x["encoder_hidden_states"], added_cond_kwargs=added, return_dict=False)[0]


def randomise(model, names: tuple[str, ...], scale: float, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if any(n in name for n in names):
            parameter.data = scale * torch.randn(parameter.shape, generator=g)


def main() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    unet = make_unet()
    inputs = make_inputs()
    flat = FlatUnet.from_config(unet.config).eval()
    flat.load_state_dict(unet.state_dict())
    torch.onnx.export(flat, tuple(inputs.values()), str(OUT / "unet.onnx"), input_names=list(inputs),
                      output_names=["out_sample"], opset_version=17, dynamo=False)
    outputs = {"base": run(unet)}

    lora = get_peft_model(copy.deepcopy(unet), LoraConfig(r=3, lora_alpha=6, target_modules=WITH_CONVS,
                          rank_pattern={r"^.*attn2\.to_k": 2}, alpha_pattern={r"^.*attn2\.to_k": 5}))
    randomise(lora, ("lora_",), 0.2, 1)
    # Whole paths, as a tool that lists its layers writes them; patterns of the file's own are not run by readers.
    lora.peft_config["default"].target_modules = sorted(
        n.replace("base_model.model.", "") for n, m in lora.named_modules() if hasattr(m, "lora_A") and hasattr(m, "base_layer"))
    lora.peft_config["default"].rank_pattern = {}
    special = [n for n in lora.peft_config["default"].target_modules if n.endswith("attn2.to_k")]
    lora.peft_config["default"].rank_pattern = {n: 2 for n in special}
    lora.peft_config["default"].alpha_pattern = {n: 5 for n in special}
    lora.save_pretrained(OUT / "peft-lora")
    outputs["peft-lora"] = run(lora.base_model.model)

    para = get_peft_model(copy.deepcopy(unet), DeftConfig(r=2, para=True, decomposition_method="qr", target_modules=ATTENTION))
    randomise(para, ("deft_P",), 0.02, 2)
    para.save_pretrained(OUT / "peft-para")
    outputs["peft-para"] = run(para.base_model.model)

    config = LoraConfig(r=2, lora_alpha=2, target_modules=WITH_CONVS)
    plain = copy.deepcopy(unet)
    plain.add_adapter(config)
    randomise(plain, ("lora_",), 0.2, 3)
    outputs["diffusers"] = run(plain)
    state = convert_state_dict_to_diffusers(get_peft_model_state_dict(plain))
    StableDiffusionXLPipeline.save_lora_weights(OUT, unet_lora_layers=state, weight_name="diffusers.safetensors")

    scaled = copy.deepcopy(unet)
    scaled.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=WITH_CONVS))
    randomise(scaled, ("lora_",), 0.2, 4)
    outputs["kohya"] = run(scaled)
    state = {f"unet.{k}": v for k, v in get_peft_model_state_dict(scaled).items()}
    kohya = convert_state_dict_to_kohya(state)
    kohya = {k.replace("unet_unet_", "lora_unet_") if not k.startswith("lora_unet_") else k: v for k, v in kohya.items()}
    alphas = {k.replace(".lora_down.weight", ".alpha"): torch.tensor(2.0) for k in kohya if k.endswith(".lora_down.weight")}
    text = {"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": torch.zeros(2, 3)}
    save_file({**{k: v.contiguous() for k, v in {**kohya, **alphas}.items()}, **text}, OUT / "kohya.safetensors",
              metadata={"ss_network_dim": "4", "ss_network_alpha": "2", "ss_sd_model_name": "tiny"})

    cases = {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}
    save_file({k: v.contiguous().float() for k, v in cases.items()}, OUT / "cases.safetensors")
    for k, v in outputs.items():
        print(f"{k:10} |y| {v.norm():.4f}  |y - base| {(v - outputs['base']).norm():.4f}")
    for readme in OUT.glob("*/README.md"):
        readme.unlink()


if __name__ == "__main__":
    main()
