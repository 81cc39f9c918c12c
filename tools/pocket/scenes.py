"""Backgrounds and colours of the training pictures, drawn with PIL on a 128 px canvas."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

SIZE = 128
COLOURS = {
    "red": (220, 40, 40), "orange": (240, 140, 30), "yellow": (245, 215, 50), "green": (50, 160, 70),
    "blue": (50, 90, 210), "purple": (130, 60, 180), "pink": (245, 150, 190), "magenta": (215, 30, 160),
    "white": (250, 250, 250), "black": (20, 20, 22), "gray": (130, 132, 135), "brown": (125, 80, 45),
}
SCENES = {
    "beach": "on the beach", "grass": "on the grass", "snow": "in the snow", "water": "in the water",
    "forest": "in the forest", "city": "in the city", "night": "under the night sky", "space": "in space",
    "desert": "in the desert", "sunset": "at sunset", "table": "on a wooden table", "brick": "by a brick wall",
}


def jitter(colour, rng, amount=14):
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in colour)


def gradient(top, bottom):
    t = np.linspace(0, 1, SIZE)[:, None, None]
    rows = np.array(top)[None, None] * (1 - t) + np.array(bottom)[None, None] * t
    return Image.fromarray(np.repeat(rows, SIZE, axis=1).astype(np.uint8))


def any_colour(rng):
    """A random saturated colour: the VAE learns them all, not only the named ones."""
    r, g, b = colorsys.hsv_to_rgb(rng.random(), 0.5 + 0.5 * rng.random(), 0.35 + 0.65 * rng.random())
    return int(r * 255), int(g * 255), int(b * 255)


def ground(rng, sky_top, sky_bottom, land, horizon):
    image = gradient(jitter(sky_top, rng), jitter(sky_bottom, rng))
    draw = ImageDraw.Draw(image)
    y = int(SIZE * (horizon + 0.08 * (rng.random() - 0.5)))
    draw.rectangle([0, y, SIZE, SIZE], fill=jitter(land, rng))
    return image, draw, y


def scene(name, rng):
    if name == "beach":
        image, draw, y = ground(rng, (120, 200, 245), (190, 230, 250), (240, 215, 150), 0.62)
        draw.rectangle([0, y - 16, SIZE, y], fill=jitter((40, 140, 210), rng))
    elif name == "grass":
        image, draw, y = ground(rng, (130, 205, 250), (200, 235, 252), (95, 180, 60), 0.55)
        for _ in range(14):
            x, v = rng.integers(0, SIZE), rng.integers(y + 4, SIZE)
            draw.line([x, v, x + 3, v - 6], fill=jitter((60, 140, 40), rng), width=2)
    elif name == "snow":
        image, draw, y = ground(rng, (165, 190, 220), (205, 220, 235), (246, 250, 255), 0.55)
        for _ in range(26):
            x, v = rng.integers(0, SIZE, 2)
            draw.ellipse([x, v, x + 4, v + 4], fill=(255, 255, 255))
    elif name == "water":
        image = gradient(jitter((60, 160, 220), rng), jitter((20, 80, 160), rng))
        draw = ImageDraw.Draw(image)
        for v in range(8, SIZE, 20):
            o = rng.integers(0, 20)
            for x in range(-20 + o, SIZE, 40):
                draw.arc([x, v, x + 20, v + 10], 0, 180, fill=(150, 215, 245), width=3)
    elif name == "forest":
        image = gradient(jitter((40, 90, 55), rng), jitter((25, 60, 35), rng))
        draw = ImageDraw.Draw(image)
        for x in range(int(rng.integers(-10, 6)), SIZE, 26):
            draw.rectangle([x, 0, x + 9, SIZE], fill=jitter((80, 55, 35), rng))
        draw.rectangle([0, 108, SIZE, SIZE], fill=jitter((55, 85, 35), rng))
    elif name == "city":
        image = gradient(jitter((175, 205, 230), rng), jitter((215, 225, 235), rng))
        draw = ImageDraw.Draw(image)
        x = 0
        while x < SIZE:
            w, h = int(rng.integers(16, 30)), int(rng.integers(40, 95))
            tone = jitter((110, 115, 130), rng)
            draw.rectangle([x, 112 - h, x + w - 3, 112], fill=tone)
            for wy in range(112 - h + 6, 106, 13):
                for wx in range(x + 3, x + w - 8, 9):
                    draw.rectangle([wx, wy, wx + 4, wy + 5], fill=(245, 230, 150))
            x += w
        draw.rectangle([0, 112, SIZE, SIZE], fill=jitter((75, 75, 80), rng))
    elif name == "night":
        image, draw, y = ground(rng, (12, 14, 50), (35, 40, 95), (20, 35, 30), 0.85)
        for _ in range(16):
            x, v = rng.integers(0, SIZE), rng.integers(0, y)
            draw.ellipse([x, v, x + 2, v + 2], fill=(255, 255, 230))
        x, v = rng.integers(6, 96), rng.integers(4, 20)
        draw.ellipse([x, v, x + 22, v + 22], fill=(250, 245, 205))
    elif name == "space":
        image = gradient(jitter((15, 8, 35), rng), jitter((50, 15, 75), rng))
        draw = ImageDraw.Draw(image)
        for _ in range(34):
            x, v = rng.integers(0, SIZE, 2)
            s = rng.integers(1, 3)
            draw.ellipse([x, v, x + s, v + s], fill=(255, 255, 255))
        x, v = rng.integers(0, 96), rng.integers(0, 96)
        draw.ellipse([x, v, x + 26, v + 26], fill=jitter((200, 120, 70), rng))
    elif name == "desert":
        image, draw, y = ground(rng, (250, 205, 120), (252, 230, 170), (220, 160, 80), 0.6)
        draw.polygon([(0, y + 16), (rng.integers(20, 60), y - 12), (100, y + 16)], fill=jitter((205, 140, 65), rng))
        draw.rectangle([0, y + 16, SIZE, SIZE], fill=jitter((225, 168, 90), rng))
    elif name == "sunset":
        image = gradient(jitter((250, 120, 60), rng), jitter((255, 200, 110), rng))
        draw = ImageDraw.Draw(image)
        x = rng.integers(10, 80)
        draw.ellipse([x, 44, x + 40, 84], fill=(255, 235, 150))
        draw.rectangle([0, 92, SIZE, SIZE], fill=jitter((85, 40, 80), rng))
    elif name == "table":
        image = gradient(jitter((225, 205, 180), rng), jitter((215, 195, 170), rng))
        draw = ImageDraw.Draw(image)
        tone = jitter((165, 105, 55), rng)
        draw.rectangle([0, 74, SIZE, SIZE], fill=tone)
        for v in range(86, SIZE, 14):
            draw.line([0, v, SIZE, v], fill=tuple(max(0, c - 35) for c in tone), width=2)
    else:
        tone = jitter((175, 75, 60), rng)
        image = Image.new("RGB", (SIZE, SIZE), (205, 195, 185))
        draw = ImageDraw.Draw(image)
        for row, v in enumerate(range(0, SIZE, 16)):
            for x in range(-16 if row % 2 else 0, SIZE, 32):
                draw.rectangle([x, v, x + 29, v + 13], fill=jitter(tone, rng, 8))
    return image


def pattern(kind, first, second, rng):
    image = Image.new("RGB", (SIZE, SIZE), first)
    draw = ImageDraw.Draw(image)
    step = int(rng.choice([16, 21, 32]))
    for i, a in enumerate(range(0, SIZE, step)):
        if kind == "striped":
            if i % 2:
                draw.rectangle([a, 0, a + step - 1, SIZE], fill=second)
        else:
            for j, b in enumerate(range(0, SIZE, step)):
                if (i + j) % 2:
                    draw.rectangle([a, b, a + step - 1, b + step - 1], fill=second)
    return image


def background(rng):
    """A background and its words: a solid colour, a scene or a two-coloured pattern."""
    kind = rng.random()
    if kind < 0.46:
        name = rng.choice(list(COLOURS))
        return Image.new("RGB", (SIZE, SIZE), jitter(COLOURS[name], rng)), f"on a {name} background"
    if kind < 0.92:
        name = rng.choice(list(SCENES))
        return scene(name, rng), SCENES[name]
    first, second = rng.choice(list(COLOURS), 2, replace=False)
    kind = rng.choice(["striped", "checkered"])
    return pattern(kind, jitter(COLOURS[first], rng), jitter(COLOURS[second], rng), rng), f"on a {kind} {first} and {second} background"
