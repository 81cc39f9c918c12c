"""Weights of the golden checkpoints: they follow from name and position, so that no file has to hold them."""

import math

import numpy as np


def weights(name: str, shape: tuple) -> np.ndarray:
    """Numbers in [-1, 1) of seven bits by a hash of name and position, times a power of two near 1/sqrt(fan-in)."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 & 0xFFFFFFFF
    x = np.arange(math.prod(shape), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    values = (x >> np.uint32(24)).astype(np.float32) / 128 - 1
    if len(shape) > 1:
        fan_in = math.prod(shape[1:])
        return (values * 2.0 ** math.floor(0.5 * math.log2(3 / fan_in) + 0.5)).astype(np.float32).reshape(shape)
    norm = name.endswith(".weight")
    return (np.floor(values * 8) / 32 + 1 if norm else values / 16).astype(np.float32)
