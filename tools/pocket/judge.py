"""Measures object accuracy: a small classifier, trained here, says which thing a generated picture shows.

python judge.py [BASE] [--count N]: trains the judge, draws pictures with the ONNX base and prints what the judge makes of
them: N of every class by plain prompts ("a fox in the snow"), and one by each caption of the held-out pictures, which ask
for sizes, tints, tilts and sides as well. Seeds are counted, nothing is picked. About a quarter of an hour on one core.
State lies in $PARA_TOOLS_HOME/pocket/judge (needs data.py's pictures); started again, it goes on where it was.

To be fair to pictures that come out of a decoder, half of those that it learns from went through the base's VAE, with a
little noise on the latents. It never sees the backgrounds of UNSEEN while it learns: its accuracy on them, given beside
that on new compositions, says whether it looks at the thing or at what lies around it. Pictures are drawn on the others.
It is trained once, with the VAE of the base given first, and so measures later versions of a base alike.
"""

import argparse
import hashlib
import json
import os
import pathlib

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from optimum.onnxruntime import ORTStableDiffusionXLPipeline
from torch import nn

import scenes
from data import WORK, article, classes

BASE = pathlib.Path(__file__).resolve().parents[2] / "remote-agent/bases/pocket-sdxl"
UNSEEN = ("on a purple background", "on a gray background", "in the city", "in the desert")
KNOWN = [place for place in [*(f"on a {name} background" for name in scenes.COLOURS), *scenes.SCENES.values()] if place not in UNSEEN]
TOGETHER = 8  # prompts drawn at once
WORDS = [word for _, word in classes()]
BATCH = 64


def base_mark(base):
    """Tells one version of the base's graphs from another."""
    digest = hashlib.sha256()
    for path in sorted(base.glob("*/model.onnx")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def replace(path, save):
    """Writes a file so that it is there whole or not at all."""
    part = path.with_name("part-" + path.name)
    save(part)
    os.replace(part, path)


def labelled(split):
    """Pictures [n, 64, 64, 3], their classes, and their background if it is one of UNSEEN (else empty)."""
    rows = [line.split("\t") for line in (WORK / f"{split}.txt").read_text().splitlines()]
    unseen = np.array([next((place for place in UNSEEN if place in caption), "") for caption, _ in rows])
    return np.load(WORK / f"{split}.npy", mmap_mode="r"), np.array([int(which) for _, which in rows]), unseen


def through_vae(base, pictures, noise, threads):
    """The pictures encoded and decoded by the base; each latent gets noise of a deviation between 0 and `noise`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    encoder, decoder = (onnxruntime.InferenceSession(str(base / part / "model.onnx"), options) for part in ("vae_encoder", "vae_decoder"))
    rng = np.random.default_rng(41)
    out = np.empty(pictures.shape, np.uint8)
    for at in range(0, len(pictures), BATCH):
        x = pictures[at : at + BATCH].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
        mean = np.split(encoder.run(None, {"sample": x})[0], 2, axis=1)[0]
        amount = noise * rng.random((len(mean), 1, 1, 1), np.float32)
        y = decoder.run(None, {"latent_sample": mean + amount * rng.standard_normal(mean.shape, np.float32)})[0]
        out[at : at + BATCH] = ((y.clip(-1, 1) + 1) * 127.5).round().transpose(0, 2, 3, 1)
    return out


def make_judge():
    """64 px RGB in [-1, 1] to one score a class."""
    layer = lambda a, b, stride: [nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(
        *layer(3, 32, 2), *layer(32, 32, 1), *layer(32, 64, 2), *layer(64, 64, 1), *layer(64, 128, 2), *layer(128, 128, 1),
        *layer(128, 192, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(192, len(WORDS)))


def tensor(pictures):
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def varied(x, rng):
    """The batch moved by up to 4 px, mirrored or not, lighter or darker."""
    dx, dy = rng.integers(0, 9, 2)
    x = F.pad(x, (4, 4, 4, 4), mode="replicate")[:, :, dy : dy + 64, dx : dx + 64]
    x = x.flip(3) if rng.random() < 0.5 else x
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (len(x), 3, 1, 1)).astype(np.float32))
    return ((x + 1) * gain - 1).clamp(-1, 1)


def train(folder, args):
    """The trained judge; the state after every epoch is kept."""
    epochs = args.epochs
    torch.manual_seed(43)
    model = make_judge()
    pictures, which, unseen = labelled("train")
    usable = np.flatnonzero(unseen == "")
    decoded_path, state_path = folder / "decoded.npy", folder / f"judge-{epochs}.pt"
    if not decoded_path.exists():
        decoded = through_vae(args.base, pictures[usable[::2]], 0.2, args.threads)
        replace(decoded_path, lambda path: np.save(path, decoded))
    pool, labels = pictures[usable], which[usable]
    pool[::2] = np.load(decoded_path)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    steps = len(pool) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * steps)
    begin = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=False)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        begin = state["epoch"]
    for epoch in range(begin, epochs):
        rng = np.random.default_rng([epoch, 44])
        torch.manual_seed(epoch + 45)
        order, total = rng.permutation(len(pool)), 0.0
        model.train()
        for step in range(steps):
            pick = order[step * BATCH : (step + 1) * BATCH]
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                scores = model(varied(tensor(pool[pick]), rng))
            loss = F.cross_entropy(scores.float(), torch.from_numpy(labels[pick]), label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"judge: epoch {epoch + 1}/{epochs} loss {total / steps:.3f}", flush=True)
        state = dict(model=model.state_dict(), optimiser=optimiser.state_dict(), schedule=schedule.state_dict(), epoch=epoch + 1)
        replace(state_path, lambda path: torch.save(state, path))
    return model.eval()


@torch.no_grad()
def ranks(model, pictures, labels):
    """The place (0 is first) that the judge gives to the right class of every picture, and the class that it puts first."""
    scores = torch.cat([model(tensor(pictures[at : at + 256])) for at in range(0, len(pictures), 256)])
    right = scores.gather(1, torch.from_numpy(np.asarray(labels))[:, None])
    return (scores > right).sum(dim=1).numpy(), scores.argmax(dim=1).numpy()


def generate(folder, base, prompts, threads):
    """One picture a prompt, seeds counted from 1 [n, 64, 64, 3]; kept in `folder` as they come."""
    folder.mkdir(exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    pipe, found = None, []
    for at in range(0, len(prompts), TOGETHER):
        path, some = folder / f"{at}.npy", prompts[at : at + TOGETHER]
        if not path.exists():
            if pipe is None:
                pipe = ORTStableDiffusionXLPipeline.from_pretrained(base, session_options=options, provider="CPUExecutionProvider")
                pipe.set_progress_bar_config(disable=True)
            generators = [torch.Generator().manual_seed(at + i + 1) for i in range(len(some))]
            made = pipe(some, num_inference_steps=30, guidance_scale=5.0, generator=generators, height=64, width=64, output_type="np").images
            pictures = (np.asarray(made) * 255).round().astype(np.uint8)
            replace(path, lambda part: np.save(part, pictures))
        found.append(np.load(path))
        if at // TOGETHER % 20 == 19:
            print(f"drawn: {at + len(some)} of {len(prompts)}", flush=True)
    return np.concatenate(found)


def share(ranked, top):
    return float((ranked < top).mean())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=pathlib.Path, nargs="?", default=BASE)
    parser.add_argument("--count", type=int, default=8, help="pictures a class")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="train the judge in bf16 (quicker where the processor has AMX)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder, mark = WORK / "judge", base_mark(args.base)
    folder.mkdir(parents=True, exist_ok=True)
    model = train(folder, args)
    report = {"base": mark, "judge": {}}

    pictures, which, unseen = labelled("held")
    others, other_classes, standing = labelled("train")
    decoded = through_vae(args.base, np.array(pictures), 0.0, args.threads)
    known = unseen == ""
    sets = [("new compositions", pictures[known], which[known]), ("new compositions through the VAE", decoded[known], which[known])]
    sets += [(place, others[some], other_classes[some]) for place in UNSEEN for some in [np.flatnonzero(standing == place)[:500]]]
    for name, some, labels in sets:
        ranked, _ = ranks(model, some, labels)
        report["judge"][name] = dict(pictures=len(ranked), top1=share(ranked, 1), top5=share(ranked, 5))
        print(f"judge, {name}: {len(ranked)} pictures, top-1 {share(ranked, 1):.1%}, top-5 {share(ranked, 5):.1%}", flush=True)

    # Steps prime to the number of backgrounds: a class meets `count` of them, and the next class begins elsewhere.
    plain = [f"{article(word)} {word} {KNOWN[(7 * which + 3 * i) % len(KNOWN)]}" for which, word in enumerate(WORDS) for i in range(args.count)]
    captions = [line.split("\t")[0] for line in (WORK / "held.txt").read_text().splitlines()]
    for name, prompts, labels in (
        ("plain", plain, np.repeat(np.arange(len(WORDS)), args.count)),
        ("captions", [caption for caption, usable in zip(captions, known) if usable], which[known]),
    ):
        made = generate(folder / f"{name}-{mark}-{len(prompts)}", args.base, prompts, args.threads)
        ranked, firsts = ranks(model, made, labels)
        report[name] = dict(pictures=len(ranked), top1=share(ranked, 1), top5=share(ranked, 5))
        print(f"generated from {name} prompts: {len(ranked)} pictures, top-1 {share(ranked, 1):.1%}, top-5 {share(ranked, 5):.1%}")
        for prompt, rank, first in zip(prompts, ranked, firsts):
            if rank:
                print(f"  {prompt}: taken for {WORDS[first]}")
        wrong = np.bincount(labels[ranked > 0], minlength=len(WORDS))
        report[name]["wrong"] = {WORDS[i]: int(wrong[i]) for i in np.argsort(-wrong, kind="stable") if wrong[i]}
    replace(folder / f"report-{mark}.json", lambda path: path.write_text(json.dumps(report, indent=1)))


if __name__ == "__main__":
    main()
