"""Alignments: a3m files, homology search, species pairing, and the store that keeps every search's result."""
