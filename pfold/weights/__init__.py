"""Published checkpoints: list, fetch, convert, load; and the seeded stand-in weights of tests and the demo."""
