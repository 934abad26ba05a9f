"""How `atlalign.ml_utils.sampling` computes on each backend."""
