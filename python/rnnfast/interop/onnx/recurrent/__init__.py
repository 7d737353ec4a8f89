"""The operators RNN, GRU and LSTM of ONNX: on a layer's kernels, or step by step in NumPy."""
