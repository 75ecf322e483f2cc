// The operators of the library, each declared once: Python passes inputs and weights by these names, and what does not
// fit is an error when the library is loaded (pfold/kernels/cpu.py). Included several times, for what each declaration
// means there: declarations.h, library.cpp.
//
//   WEIGHTS(algorithm, (required, ...), (optional, ...))   weights of an algorithm, float32
//   OPERATOR(name, (inputs, ...), weights ...)             a last group with "..." comes any number of times
//
// z [n_target * N][N][c_z] are pairs and m [n_target * N_msa][N][c_m] MSA rows, float32 or bfloat16; masks are those of
// tokens [n_target * N] and MSA rows. What an operator writes is said at its definition in operators.cpp.

WEIGHTS(TriangleMultiplication, (norm_in, a_gate, a, b_gate, b, norm_out, gate, out), (norm_in_bias, norm_out_bias))
WEIGHTS(TriangleAttention, (norm, bias, q, k, v, gate, out), (norm_bias))
WEIGHTS(Transition, (norm, a, b, out), (norm_bias))
WEIGHTS(OuterProductMean, (norm, a, b, out, out_bias), (norm_bias))
WEIGHTS(PairWeightedAveraging, (norm_m, v, norm_z, bias, gate, out), (norm_m_bias, norm_z_bias))
WEIGHTS(PairBias, (norm, weight), (norm_bias))
WEIGHTS(PairEmbedding, (norm, recycle, relative_position, bond), (norm_bias))
WEIGHTS(PairLogits, (weight), (norm, norm_bias, bias))
WEIGHTS(DistanceEmbedding, (lower, upper, bins, distance), ())
WEIGHTS(PairConditioning, (norm, linear, relative_position), (norm_bias))
WEIGHTS(Norm, (), (weight, bias))

OPERATOR(TriangleMultiplicationOutgoing, (z, mask), TriangleMultiplication)
OPERATOR(TriangleMultiplicationIncoming, (z, mask), TriangleMultiplication)
OPERATOR(TriangleAttentionStarting, (z, mask), TriangleAttention)
OPERATOR(TriangleAttentionEnding, (z, mask), TriangleAttention)
OPERATOR(RowTransition, (x, mask), Transition)
OPERATOR(OuterProductMean, (z, mask, m, msa_mask), OuterProductMean)
OPERATOR(PairWeightedAveraging, (z, mask, m, msa_mask), PairWeightedAveraging)
OPERATOR(PairBias, (z, mask), PairBias)
OPERATOR(PairEmbedding, (z, mask, residue, token, chain, same_entity, bonds, of_i, of_j), PairEmbedding)
OPERATOR(PairLogits, (z, mask, rows), PairLogits)
OPERATOR(SymmetricPairLogits, (z, mask, rows), PairLogits)
OPERATOR(ConfidencePairs, (z, mask, of_i, of_j, x), DistanceEmbedding)
OPERATOR(DiffusionPairs, (z, mask, residue, token, chain, same_entity), PairConditioning, Transition, Transition,
         PairBias, PairBias...)
OPERATOR(TokenAttention, (q, k, v, gate, bias, mask, block))
OPERATOR(WindowAttention, (q, k, v, gate, keys, bias))
OPERATOR(Affine, (x, weight, bias))
OPERATOR(GatedTransition, (x, weight_a, weight_b, weight_out))
OPERATOR(LayerNorm, (x), Norm)
OPERATOR(AdaptiveNorm, (a, scale, shift))
OPERATOR(GatedSum, (a, gate, x))
OPERATOR(Touch, (x))

// Of training, in float32 and of one target: those that change their input on a copy of it, and derivatives.
OPERATOR(TriangleMultiplicationOutgoingCopy, (z, mask), TriangleMultiplication)
OPERATOR(TriangleMultiplicationIncomingCopy, (z, mask), TriangleMultiplication)
OPERATOR(TriangleAttentionStartingCopy, (z, mask), TriangleAttention)
OPERATOR(TriangleAttentionEndingCopy, (z, mask), TriangleAttention)
OPERATOR(RowTransitionCopy, (x, mask), Transition)
OPERATOR(OuterProductMeanCopy, (z, mask, m, msa_mask), OuterProductMean)
OPERATOR(TriangleMultiplicationOutgoingGradient, (z, mask, dout), TriangleMultiplication)
OPERATOR(TriangleMultiplicationIncomingGradient, (z, mask, dout), TriangleMultiplication)
OPERATOR(TriangleAttentionStartingGradient, (z, mask, dout), TriangleAttention)
OPERATOR(TriangleAttentionEndingGradient, (z, mask, dout), TriangleAttention)
OPERATOR(RowTransitionGradient, (x, mask, dout), Transition)
OPERATOR(OuterProductMeanGradient, (m, msa_mask, dout), OuterProductMean)
OPERATOR(AffineGradient, (x, weight, dout))
OPERATOR(GatedTransitionGradient, (x, weight_a, weight_b, weight_out, dout))
OPERATOR(LayerNormGradient, (x, dout), Norm)
OPERATOR(AdaptiveNormGradient, (a, scale, dout))
OPERATOR(GatedSumGradient, (gate, x, dout))
OPERATOR(TokenAttentionGradient, (q, k, v, gate, bias, dout))
OPERATOR(WindowAttentionGradient, (q, k, v, gate, keys, bias, dout))
OPERATOR(Mirror, (z))
OPERATOR(SmoothLddt, (x, distance, mask))
