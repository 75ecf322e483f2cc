"""The protein language model ESM-2: settings and checkpoint, model, embeddings, their store, and features of them."""
