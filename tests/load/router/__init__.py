"""`make bench-router`: the model path beside other gateways, on one scripted upstream."""
