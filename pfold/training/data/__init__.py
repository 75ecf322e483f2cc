"""From structure files to training examples: reading, sampling, cropping, and the match of symmetric parts."""
