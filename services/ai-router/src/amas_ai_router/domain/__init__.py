"""What a model call is, and the pure rules about it: order of targets, prices, bodies, errors."""
