"""Trains the VAE (AutoencoderKL, f = 4) and whitens its latents. Resumable: state lies in $PARA_TOOLS_HOME/pocket/vae.pt."""

import argparse
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import workers
from data import WORK

CONFIG = dict(
    in_channels=3, out_channels=3, latent_channels=8, sample_size=64,
    block_out_channels=(16, 32, 64), layers_per_block=1, norm_num_groups=8, mid_block_add_attention=False,
    down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, scaling_factor=1.0,
)
BATCH = 8  # a worker


def pixels(batch):
    return torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1


def gradient_loss(a, b):
    d = a - b
    return (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()


def psnr(vae, pictures):
    with torch.no_grad():
        errors = []
        for at in range(0, len(pictures), 64):
            x = pixels(pictures[at : at + 64])
            y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
            errors.append(((x - y) ** 2).mean(dim=(1, 2, 3)) / 4)
        return float((-10 * torch.log10(torch.cat(errors))).mean())


def train(rank, args):
    torch.manual_seed(11)
    vae = AutoencoderKL(**CONFIG)
    parameters = list(vae.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.99), weight_decay=1e-3)
    average = workers.Average([vae], 0.998)
    pools = [np.load(WORK / "train.npy", mmap_mode="r"), np.load(WORK / "vae.npy", mmap_mode="r")]
    held = [np.load(WORK / "held.npy")[:192], np.load(WORK / "vae_held.npy")[:192]]
    first = 0
    if (WORK / "vae.pt").exists():
        state = torch.load(WORK / "vae.pt", weights_only=False)
        vae.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.shadow = state["shadow"]
        first = state["step"]
    clock = workers.Clock(args.steps, 50)
    for step in range(first + 1, args.steps + 1):
        rng = np.random.default_rng([step, rank])
        batch = np.concatenate([pools[0][np.sort(rng.integers(0, len(pools[0]), BATCH * 5 // 8))], pools[1][np.sort(rng.integers(0, len(pools[1]), BATCH * 3 // 8))]])
        x = pixels(batch)
        if rng.random() < 0.3:
            x = x[:, torch.from_numpy(rng.permutation(3))]
        progress = step / args.steps
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1, step / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        posterior = vae.encode(x).latent_dist
        torch.manual_seed(step * 2 + rank)
        y = vae.decode(posterior.sample()).sample
        mse = F.mse_loss(y, x)
        # The edges first, squared error alone towards the end.
        sharp = max(0.0, 1 - progress * 1.25)
        loss = 4 * mse + sharp * ((y - x).abs().mean() + 0.5 * gradient_loss(y, x)) + 2e-6 * posterior.kl().mean()
        optimiser.zero_grad()
        loss.backward()
        workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        average.update(step)
        if rank == 0:
            clock.tick(step, mse=mse.item())
            if step % 500 == 0 or step == args.steps:
                average.swap()
                print("held-out PSNR %.2f dB, saturated %.2f dB" % tuple(psnr(vae, h) for h in held), flush=True)
                average.swap()
                torch.save(dict(model=vae.state_dict(), optimiser=optimiser.state_dict(), shadow=average.shadow, step=step), WORK / "vae.pt.tmp")
                os.replace(WORK / "vae.pt.tmp", WORK / "vae.pt")


@torch.no_grad()
def whiten():
    """Folds the latents' mean and deviation into quant_conv and post_quant_conv and saves the averaged weights."""
    state = torch.load(WORK / "vae.pt", weights_only=False)
    vae = AutoencoderKL(**CONFIG)
    vae.load_state_dict(state["model"])
    for p, s in zip(vae.parameters(), state["shadow"]):
        p.copy_(s)
    pictures = np.load(WORK / "train.npy", mmap_mode="r")
    encode = lambda n: torch.cat([vae.encode(pixels(np.array(pictures[i : i + 64]))).latent_dist.mode() for i in range(0, n, 64)])
    z = encode(2048)
    mean, std = z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3))
    n = len(mean)
    vae.post_quant_conv.bias += (vae.post_quant_conv.weight[:, :, 0, 0] * mean).sum(dim=1)
    vae.post_quant_conv.weight *= std[None, :, None, None]
    vae.quant_conv.weight[:n] /= std[:, None, None, None]
    vae.quant_conv.bias[:n] = (vae.quant_conv.bias[:n] - mean) / std
    vae.quant_conv.bias[n:] -= 2 * std.log()
    vae.half().float()
    vae.save_pretrained(WORK / "vae")
    latents = encode(len(pictures))
    print("latent mean", latents.mean().item(), "std", latents.std(dim=(0, 2, 3)))
    np.save(WORK / "latents.npy", latents.numpy().astype(np.float16))
    for name in ("held", "vae_held"):
        print(name, "PSNR", psnr(vae, np.load(WORK / f"{name}.npy")))


def refine(rank, args):
    """Trains the decoder alone; the encoder stays, so that a trained U-Net stays valid. Goes on from vae-refined.

    The loss is the mean PSNR of the pictures itself (their log squared error), which is the figure that is reported.
    """
    folder, state_path = WORK / "vae-refined", WORK / "refine.pt"
    vae = AutoencoderKL.from_pretrained(folder if folder.exists() else WORK / "vae")
    average = workers.Average([vae.post_quant_conv, vae.decoder], 0.998)
    parameters = average.parameters
    optimiser = torch.optim.AdamW(parameters, lr=args.lr, betas=(0.9, 0.99), weight_decay=0)
    pools = [np.load(WORK / "train.npy", mmap_mode="r"), np.load(WORK / "vae.npy", mmap_mode="r")]
    held = [np.load(WORK / "held.npy"), np.load(WORK / "vae_held.npy")]
    batch = BATCH * workers.WORKERS // args.workers
    saturated = round(batch * args.saturated)
    begin, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, weights_only=False)
        vae.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.shadow, begin, spent = state["shadow"], state["step"], state["spent"]
    clock, start = workers.Clock(args.steps, 50), time.time()
    for step in range(begin + 1, args.steps + 1):
        rng = np.random.default_rng([step, rank, 2])
        picks = [np.sort(rng.integers(0, len(pool), n)) for pool, n in zip(pools, (batch - saturated, saturated))]
        x = pixels(np.concatenate([pool[pick] for pool, pick in zip(pools, picks)]))
        # Other colours and the mirror image: as good as other pictures.
        if rng.random() < 0.5:
            x[batch - saturated :] = x[batch - saturated :, torch.from_numpy(rng.permutation(3))]
        if rng.random() < 0.5:
            x = x.flip(3)
        progress = workers.progress(step / args.steps, (spent + time.time() - start) / 60 / args.minutes)
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1, step / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16 and progress < 0.8):
            with torch.no_grad():
                z = vae.encode(x).latent_dist.mode()
            y = vae.decode(z).sample.float()
        loss = (((y - x) ** 2).mean(dim=(1, 2, 3)) + 1e-5).log().mean()
        optimiser.zero_grad()
        loss.backward()
        workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        average.update(step)
        if rank == 0:
            clock.tick(step, psnr=10 * (math.log(4) - loss.item()) / math.log(10), progress=progress)
            if step % 500 == 0 or progress >= 1:
                average.swap()
                print("held-out PSNR %.2f dB, saturated %.2f dB" % tuple(psnr(vae, h) for h in held), flush=True)
                if progress >= 1:
                    vae.save_pretrained(folder)
                average.swap()
                torch.save(dict(model=vae.state_dict(), optimiser=optimiser.state_dict(), shadow=average.shadow,
                                step=step, spent=spent + time.time() - start), WORK / "refine.pt.tmp")
                os.replace(WORK / "refine.pt.tmp", state_path)
        if progress >= 1:
            break
    if rank == 0:
        state_path.unlink(missing_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--whiten", action="store_true")
    parser.add_argument("--refine", action="store_true", help="train the decoder alone, after --whiten, into vae-refined")
    parser.add_argument("--minutes", type=float, default=1e9, help="--refine: end (and let the learning rate fall) after this time")
    parser.add_argument("--saturated", type=float, default=0.5, help="--refine: share of free compositions in a batch")
    parser.add_argument("--workers", type=int, default=workers.WORKERS, help="--refine: processes; the whole batch stays the same")
    parser.add_argument("--bf16", action="store_true", help="--refine: bf16 arithmetic up to the last fifth (quicker where the processor has AMX)")
    args = parser.parse_args()
    if args.whiten:
        torch.set_num_threads(2)
        whiten()
    elif args.refine:
        workers.run(refine, args, workers=args.workers)
    else:
        workers.run(train, args)
