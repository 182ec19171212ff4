"""`helm test`: one governed run through an installation, from a token to the proof of its record."""
