"""Layers: modules that compute outputs, and the gradients of what went in."""
