"""Numbers that several parts share, where the AlphaFold 3 supplement or the reference sets them."""

# Standard deviation of the training coordinates, Å (AF3 Algorithm 20).
SIGMA_DATA = 16.0
# Additive bias of a masked attention key: exp() of it is zero in float32.
MASKED = -1e9
# Offsets of residues and tokens, and of chains, are clipped to these (AF3 Algorithm 3). The bin behind the last is for
# other chains, residues or entities.
R_MAX, S_MAX = 32, 2
N_POSITION_BINS = 2 * R_MAX + 2
# Windows of atoms (AF3 Algorithm 7): so many queries see so many keys around them.
N_QUERIES, N_KEYS = 32, 128
# Errors of distances (Å) that lDDT forgives, a quarter of its score each.
LDDT_THRESHOLDS = (0.5, 1.0, 2.0, 4.0)
