"""What models are made of: encoders, heads, inputs, targets, networks."""
