"""Training and evaluation data of pocket-r1: generated, seeded, split before training."""
