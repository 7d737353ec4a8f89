"""The networks of supervised models: encoders, heads, and what stands beside them."""
