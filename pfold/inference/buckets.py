"""Length buckets: targets are padded to few lengths, each compiled once."""

from collections.abc import Sequence

from pfold.errors import ConfigError

# Atoms are padded to a multiple of this many per token, 8 being enough for most proteins (7.8 atoms a residue).
ATOM_STEP = 4
MIN_ATOMS_PER_TOKEN = 8


def token_bucket(n_token: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds the tokens. Raises ConfigError where none does."""
    for bucket in sorted(buckets):
        if n_token <= bucket:
            return bucket
    raise ConfigError(f"{n_token} tokens are more than the largest bucket ({max(buckets)}); add one to buckets")


def atom_bucket(n_atom: int, bucket: int) -> int:
    """Number of atoms to pad to within a token bucket: few values a bucket, so that few graphs are compiled."""
    step = ATOM_STEP * bucket
    return max(MIN_ATOMS_PER_TOKEN * bucket, -(-n_atom // step) * step)


def padded_rows(n_msa: int) -> int:
    """MSA rows are padded to the next power of two, 16 at least, so that few graphs serve all alignments."""
    return max(16, 1 << (n_msa - 1).bit_length())
