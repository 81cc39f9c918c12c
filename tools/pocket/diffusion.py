"""Trains U-Net and text encoders on the cached latents. Resumable: state lies in $PARA_TOOLS_HOME/pocket/diffusion.pt.

`--save` writes the averaged weights (rounded to f16) as a diffusers folder into $PARA_TOOLS_HOME/pocket/torch.
"""

import argparse
import os
import time

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

import text
import workers
from data import WORK

CONFIG = dict(
    sample_size=16, in_channels=8, out_channels=8, block_out_channels=(48, 96, 128), layers_per_block=1, norm_num_groups=16,
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    transformer_layers_per_block=1, attention_head_dim=(3, 3, 4), cross_attention_dim=192, use_linear_projection=True,
    addition_embed_type="text_time", addition_time_embed_dim=32, projection_class_embeddings_input_dim=128 + 6 * 32,
)
SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000,
                 steps_offset=1, timestep_spacing="leading", prediction_type="epsilon", clip_sample=False, set_alpha_to_one=False)
BATCH = 16  # a worker
TIME_IDS = [64.0, 64, 0, 0, 64, 64]


def make_models(tokenizer):
    torch.manual_seed(21)
    unet = UNet2DConditionModel(**CONFIG)
    return [unet, *text.make_encoders(tokenizer)]


def train(rank, args):
    tokenizer = text.load_tokenizer()
    models = make_models(tokenizer)
    unet, first, second = models
    parameters = [p for m in models for p in m.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.99), weight_decay=0.01)
    average = workers.Average(models, 0.998)
    latents = np.load(WORK / "latents.npy", mmap_mode="r")
    captions = [line.split("\t")[0] for line in (WORK / "train.txt").read_text().splitlines()]
    ids = text.ids_of(tokenizer, captions)
    empty = text.ids_of(tokenizer, [""])
    alphas = DDIMScheduler(**SCHEDULER).alphas_cumprod
    snr = alphas / (1 - alphas)
    state_path = WORK / "diffusion.pt"
    begin, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, weights_only=False)
        for model, weights in zip(models, state["models"]):
            model.load_state_dict(weights)
        optimiser.load_state_dict(state["optimiser"])
        average.shadow = state["shadow"]
        begin, spent = state["step"], state["spent"]
    clock = workers.Clock(args.steps, 50)
    start = time.time()
    smooth = None
    for step in range(begin + 1, args.steps + 1):
        rng = np.random.default_rng([step, rank])
        progress = workers.progress(step / args.steps, (spent + time.time() - start) / 60 / args.minutes)
        rate = args.lr * min(1, step / 200) * (1 if progress < 0.4 else 0.02 + 0.98 * (1 - progress) / 0.6)
        for group in optimiser.param_groups:
            group["lr"] = rate
        pick = np.sort(rng.integers(0, len(latents), BATCH))
        x = torch.from_numpy(latents[pick].astype(np.float32))
        torch.manual_seed(step * 2 + rank)
        noise = torch.randn_like(x)
        t = torch.randint(0, 1000, (BATCH,))
        a = alphas[t].view(-1, 1, 1, 1)
        token_ids = ids[pick].clone()
        token_ids[torch.rand(BATCH) < 0.04] = empty
        states, pooled = text.encode(first, second, token_ids)
        keep = (torch.rand(BATCH) >= 0.08).float()
        added = dict(text_embeds=pooled * keep[:, None], time_ids=torch.tensor([TIME_IDS]).repeat(BATCH, 1))
        out = unet(a.sqrt() * x + (1 - a).sqrt() * noise, t, states * keep[:, None, None], added_cond_kwargs=added).sample
        weight = torch.minimum(snr[t], torch.tensor(5.0)) / snr[t]
        loss = (weight * ((out - noise) ** 2).mean(dim=(1, 2, 3))).mean()
        optimiser.zero_grad()
        loss.backward()
        workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        average.update(step)
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if rank == 0:
            clock.tick(step, loss=smooth)
            if step % 200 == 0 or progress >= 1:
                state = dict(models=[m.state_dict() for m in models], optimiser=optimiser.state_dict(), shadow=average.shadow,
                             step=step, spent=spent + time.time() - start, loss=smooth)
                torch.save(state, WORK / "diffusion.pt.tmp")
                os.replace(WORK / "diffusion.pt.tmp", state_path)
        if progress >= 1:
            break


@torch.no_grad()
def save(folder, random=False):
    """Writes unet, text encoders and scheduler as a diffusers folder; weights as f16 stores them."""
    tokenizer = text.load_tokenizer()
    models = make_models(tokenizer)
    if not random:
        state = torch.load(WORK / "diffusion.pt", weights_only=False)
        parameters = [p for m in models for p in m.parameters()]
        for p, s in zip(parameters, state["shadow"]):
            p.copy_(s)
        print("step", state["step"], "loss", state["loss"], "seconds", state["spent"])
    for model, name in zip(models, ("unet", "text_encoder", "text_encoder_2")):
        model.half().float().save_pretrained(folder / name)
    DDIMScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    vae = WORK / ("vae-refined" if (WORK / "vae-refined").exists() else "vae")
    AutoencoderKL.from_pretrained(vae).half().float().save_pretrained(folder / "vae")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=1e9, help="end (and let the learning rate fall) after this time")
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    if args.save:
        save(WORK / "torch")
    else:
        if not (WORK / "torch" / "tokenizer").exists():
            text.make_tokenizer()
        workers.run(train, args, port=29500 + os.getpid() % 400)
