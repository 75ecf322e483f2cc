"""A prediction: the model with its weights, the forward pass in compiled graphs, sampler, noise and memory plan."""
