"""Templates: hits of a search in the PDB, their selection and realignment, and their structures."""
