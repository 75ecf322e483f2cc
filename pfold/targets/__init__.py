"""What to fold: readers of input files, validation, names and identities of targets."""
