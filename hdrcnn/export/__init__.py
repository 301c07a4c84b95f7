"""Networks for other runtimes: weights files to ONNX, in float32 and in 8 bits."""
