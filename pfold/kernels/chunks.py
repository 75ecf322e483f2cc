"""Chunk policy: how many pieces an operator cuts its rows into. Nothing outside `pfold.kernels` knows a chunk size."""

from mindspore.ops import constexpr

# Largest intermediate array an operator may hold, in float32 elements (128 MiB).
MAX_ELEMENTS = 32 * 1024 * 1024


@constexpr  # type: ignore[untyped-decorator]
def row_chunks(n_row: int, elements_per_row: int) -> list[tuple[int, int]]:
    """Cut `n_row` rows into the fewest equal [start, stop) ranges whose intermediates stay under MAX_ELEMENTS."""
    rows = max(1, min(n_row, MAX_ELEMENTS // max(1, elements_per_row)))
    n_chunk = -(-n_row // rows)
    rows = -(-n_row // n_chunk)
    return [(start, min(start + rows, n_row)) for start in range(0, n_row, rows)]
