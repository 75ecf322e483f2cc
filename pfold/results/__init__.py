"""Per-target result folders in the AlphaFold 3 layout, and the tables and report of a run."""
