"""Renders the icons and composes the training pictures: 64 px RGB with captions, and a held-out set.

Writes into $PARA_TOOLS_HOME/pocket/: icons.npz, train.npy, train.txt (caption TAB class), held.npy, held.txt, vae.npy.
"""

import argparse
import io
import json
import os
import pathlib

import numpy as np
import resvg_py
from PIL import Image

import scenes

HERE = pathlib.Path(__file__).parent
HOME = pathlib.Path(os.environ.get("PARA_TOOLS_HOME", "~/.cache/para-studio-tools")).expanduser()
WORK = HOME / "pocket"
ICON = 128
PICTURE = 64
NONSENSE = ["zwx", "qol", "vex", "bru", "kep", "jat", "sks", "fim"]


def classes():
    lines = (HERE / "classes.txt").read_text().split("\n")
    return [line.split() for line in lines if line and not line.startswith("#")]


def render(package, name, size=ICON):
    """One icon of an iconify package as RGBA of `size` px."""
    data = json.loads((HOME / f"npm/node_modules/@iconify-json/{package}/icons.json").read_text()) if isinstance(package, str) else package
    icon = data["icons"][name]
    width, height = icon.get("width", data.get("width", 16)), icon.get("height", data.get("height", 16))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {height}">{icon["body"]}</svg>'
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def tinted(icon, colour):
    """The icon in shades of one colour; its light and dark parts stay."""
    rgba = np.asarray(icon).astype(np.float32)
    grey = rgba[..., :3] @ np.array([0.3, 0.59, 0.11], np.float32) / 255
    target = np.array(colour, np.float32)
    shade = np.where(grey[..., None] < 0.6, target * (grey[..., None] / 0.6), target + (255 - target) * (grey[..., None] - 0.6) / 0.4)
    rgba[..., :3] = shade
    return Image.fromarray(rgba.clip(0, 255).astype(np.uint8))


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def place(canvas, icon, rng, scale, tilt, shift):
    size = int(ICON * scale)
    icon = icon.resize((size, size), Image.LANCZOS)
    if tilt:
        icon = icon.rotate(tilt, Image.BICUBIC, expand=True)
    x = (scenes.SIZE - icon.width) // 2 + shift[0]
    y = (scenes.SIZE - icon.height) // 2 + shift[1]
    canvas.paste(icon, (x, y), icon)


def compose(icon, word, rng):
    """A picture (64 px) of the icon and its caption."""
    canvas, where = scenes.background(rng)
    words, scale, tilt, shift = [], 0.72 + 0.1 * rng.random(), 0, rng.integers(-5, 6, 2)
    size = rng.random()
    if size < 0.13:
        scale = 0.4 + 0.06 * rng.random()
        words.append("small")
    elif size < 0.26:
        scale = 0.94 + 0.06 * rng.random()
        words.append("big")
    if rng.random() < 0.14:
        tilt = int(rng.choice([-1, 1]) * rng.integers(18, 36))
        words.append("tilted")
    if rng.random() < 0.06:
        words.append(rng.choice(NONSENSE))
    if rng.random() < 0.2:
        name = rng.choice(list(scenes.COLOURS))
        icon = tinted(icon, scenes.jitter(scenes.COLOURS[name], rng, 8))
        words.append(name)
    side = rng.random()
    tail = ""
    if side < 0.16:
        dx = int(rng.choice([-1, 1]))
        shift = np.array([dx * rng.integers(20, 28), shift[1]])
        scale = min(scale, 0.62)
        tail = " on the left" if dx < 0 else " on the right"
    if rng.random() < 0.5:
        icon = icon.transpose(Image.FLIP_LEFT_RIGHT)
    place(canvas, icon, rng, scale, tilt, shift)
    words.append(word)
    return canvas.resize((PICTURE, PICTURE), Image.BOX), f"{article(words[0])} {' '.join(words)} {where}{tail}"


def free_form(icons, rng):
    """A picture for the VAE alone: any colours, several icons, no caption."""
    canvas = scenes.pattern(rng.choice(["striped", "checkered"]), scenes.any_colour(rng), scenes.any_colour(rng), rng) if rng.random() < 0.3 else Image.new("RGB", (scenes.SIZE, scenes.SIZE), scenes.any_colour(rng))
    for _ in range(int(rng.integers(1, 4))):
        icon = icons[rng.integers(len(icons))]
        if rng.random() < 0.4:
            icon = tinted(icon, scenes.any_colour(rng))
        place(canvas, icon, rng, 0.35 + 0.6 * rng.random(), int(rng.integers(-40, 41)), rng.integers(-30, 31, 2))
    return canvas.resize((PICTURE, PICTURE), Image.BOX)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=40000)
    parser.add_argument("--held", type=int, default=512)
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    noto = json.loads((HOME / "npm/node_modules/@iconify-json/noto/icons.json").read_text())
    names = classes()
    icons = [render(noto, name) for name, _ in names]
    for split, count, seed in (("held", args.held, 2), ("train", args.count, 1)):
        rng = np.random.default_rng(seed)
        pictures = np.empty((count, PICTURE, PICTURE, 3), np.uint8)
        with open(WORK / f"{split}.txt", "w") as captions:
            for i in range(count):
                which = i % len(names)
                picture, caption = compose(icons[which], names[which][1], rng)
                pictures[i] = np.asarray(picture)
                captions.write(f"{caption}\t{which}\n")
        np.save(WORK / f"{split}.npy", pictures)
    rng = np.random.default_rng(3)
    others = [n for n in noto["icons"] if "flag" not in n and "-skin" not in n and "-tone" not in n]
    extra = [render(noto, others[i]) for i in rng.choice(len(others), 500, replace=False)]
    pool = icons + extra
    np.save(WORK / "vae.npy", np.stack([np.asarray(free_form(pool, rng)) for _ in range(args.count // 4)]))
    np.save(WORK / "vae_held.npy", np.stack([np.asarray(free_form(pool, rng)) for _ in range(args.held)]))


if __name__ == "__main__":
    main()
