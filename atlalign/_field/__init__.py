"""What `atlalign.base.DisplacementField` is made of: its methods by theme, and the mathematics below them."""
