"""Channel counts of the known architectures: full size, and small ones of the same structure for tests.

A `Widths` is a small or full-size member of an architecture: depth, kinds of blocks, groups and head rules are the
architecture's own; only channel counts differ. Blocks that keep their width at full size must keep it here, since
where it changes there is a layer more.
"""

from dataclasses import dataclass

TOKENS, VOCABULARY, END = 77, 49408, 49407
# Channels of an attention head: in SDXL's U-Net and in the text encoders (SD 1.5's U-Net has 8 heads everywhere).
HEAD = 64


@dataclass(frozen=True)
class Widths:
    unet: tuple[int, ...]
    text: tuple[int, ...]
    vae: tuple[int, ...]
    projection: int = 0
    # Width of each of the six embeddings of time_ids.
    time: int = 0


FULL = {
    "sdxl": Widths((320, 640, 1280), (768, 1280), (128, 256, 512, 512), projection=1280, time=256),
    "sd": Widths((320, 640, 1280, 1280), (768,), (128, 256, 512, 512)),
}

SMALL = {
    "sdxl": Widths((32, 64, 128), (64, 128), (32, 64, 96, 96), projection=96, time=8),
    "sd": Widths((32, 64, 96, 96), (64,), (32, 64, 96, 96)),
}
