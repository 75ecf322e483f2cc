"""Target + alignments -> the model's input arrays; `schema` lists every array with dtype, shape and meaning."""
