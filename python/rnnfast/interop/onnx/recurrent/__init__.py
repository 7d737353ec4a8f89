"""The operators RNN, GRU and LSTM of ONNX: on the kernels, or step by step in NumPy."""
