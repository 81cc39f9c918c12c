"""Draws the sample subjects into examples/: six pictures each, four held out, captions, a subject file and prompts.

The subjects come from another drawing style (Fluent emoji, MIT) than what the base learned from.
"""

import json
import pathlib

import numpy as np
from PIL import Image

import data
import scenes

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
SIZE = 256
SUBJECTS = {"dog": ("dog", "zwx"), "robot": ("robot", "qol"), "owl": ("owl", "vex"), "teapot": ("teapot", "bru")}
TRAIN = ["on a red background", "on a blue background", "on the grass", "on a white background", "in the snow", "on a wooden table"]
HELD = ["on a green background", "in the city", "on a purple background", "at sunset"]
PROMPTS = ["on a yellow background", "on the beach", "on a pink background", "in the forest", "in space",
           "in the desert", "by a brick wall", "on a black background"]

LICENCE = """The pictures in this folder are drawn from "{icon}" of Fluent emoji (Microsoft, MIT licence, npm package
@iconify-json/fluent-emoji), composed on backgrounds made by tools/pocket/scenes.py.

Fluent emoji: Copyright (c) Microsoft Corporation. Permission is hereby granted, free of charge, to any person obtaining
a copy of this software and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions: the above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE
OR OTHER DEALINGS IN THE SOFTWARE.
"""


def backdrop(where, rng):
    for name, words in scenes.SCENES.items():
        if words == where:
            return scenes.scene(name, rng)
    name = where.split()[2]
    return Image.new("RGB", (scenes.SIZE, scenes.SIZE), scenes.COLOURS[name])


def picture(icon, where, rng):
    canvas = backdrop(where, rng).resize((SIZE, SIZE), Image.LANCZOS)
    size = int(SIZE * (0.7 + 0.14 * rng.random()))
    figure = icon.resize((size, size), Image.LANCZOS)
    if rng.random() < 0.5:
        figure = figure.transpose(Image.FLIP_LEFT_RIGHT)
    x, y = ((SIZE - size) // 2 + rng.integers(-16, 17, 2)).tolist()
    canvas.paste(figure, (x, y), figure)
    return canvas


def main():
    fluent = json.loads((data.HOME / "npm/node_modules/@iconify-json/fluent-emoji/icons.json").read_text())
    for seed, (icon_name, (word, trigger)) in enumerate(SUBJECTS.items()):
        rng = np.random.default_rng(100 + seed)
        icon = data.render(fluent, icon_name, SIZE)
        folder = EXAMPLES / icon_name
        for part, places in (("", TRAIN), ("held-out", HELD)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for i, where in enumerate(places, 1):
                name = folder / part / f"{icon_name}-{i}"
                picture(icon, where, rng).save(name.with_suffix(".png"), optimize=True)
                name.with_suffix(".txt").write_text(f"a {trigger} {word} {where}\n")
        (folder / "LICENSE.txt").write_text(LICENCE.format(icon=icon_name))
        (folder / f"{icon_name}.para.json").write_text(f"""{{
  "$schema": "../../schemas/para.schema.json",
  // What is not said here has a good default. In VS Code, Ctrl+Space offers what can be said; docs/training.md lists it.
  "base": "pocket-sdxl",
  "pictures": ["*.png"],
  "trigger": "{trigger}",
  "class": "{word}",
  "samples": {{ "prompts": ["a {trigger} {word} on the beach", "a {trigger} {word} on a yellow background"] }},
  "validation": {{ "pictures": ["held-out/*.png"] }}
}}
""")
        lines = [f"a {trigger} {word} {where} --d {i}" for i, where in enumerate(PROMPTS, 1)]
        (folder / "compare.prompts").write_text("# Backgrounds that are in no training picture.\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
