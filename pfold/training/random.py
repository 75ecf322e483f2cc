"""Streams of random numbers that depend on nothing but what they are for."""

import zlib

import numpy as np


def generator_of(seed: int, name: str) -> np.random.Generator:
    """The stream of a name: the same whoever draws from it, and when."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, zlib.crc32(name.encode())], np.uint64)))
