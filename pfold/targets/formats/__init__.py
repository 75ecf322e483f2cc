"""Readers of the input formats: FASTA, JSON of Protenix and AlphaFold 3, YAML of Boltz, structure files."""
