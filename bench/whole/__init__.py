"""Models, and the same networks as PyTorch's users write them."""
