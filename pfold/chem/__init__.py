"""Chemistry: CCD components, residue tables, reference conformers."""
