"""Draws the 48 prompts of contact-prompts.txt (seed = line number) and writes docs/contact-sheet.png."""

import pathlib

import torch
from PIL import Image, ImageDraw, ImageFont

from data import WORK
from export import pipeline

HERE = pathlib.Path(__file__).resolve().parent


def main():
    torch.set_num_threads(2)
    prompts = (HERE / "contact-prompts.txt").read_text().strip().split("\n")
    pipe = pipeline(False)
    pipe.set_progress_bar_config(disable=True)
    side, label, columns = 128, 30, 8
    sheet = Image.new("RGB", (columns * (side + 6), (len(prompts) // columns) * (side + label)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    for first in range(0, len(prompts), columns):
        some = prompts[first : first + columns]
        generators = [torch.Generator().manual_seed(first + i + 1) for i in range(len(some))]
        pictures = pipe(some, num_inference_steps=30, guidance_scale=5.0, generator=generators, height=64, width=64).images
        for i, (prompt, picture) in enumerate(zip(some, pictures)):
            x, y = i * (side + 6), first // columns * (side + label)
            sheet.paste(picture.resize((side, side), Image.LANCZOS), (x, y))
            words = prompt.split()
            half = (len(words) + 1) // 2
            draw.text((x + 2, y + side), " ".join(words[:half]), fill="black", font=font)
            draw.text((x + 2, y + side + 13), " ".join(words[half:]), fill="black", font=font)
    sheet.save(HERE.parents[1] / "docs/contact-sheet.png", optimize=True)


if __name__ == "__main__":
    main()
