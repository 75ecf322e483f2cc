"""Folding: buckets and batches, the compiled model, sampler noise, the batch runner and per-target outcomes."""
