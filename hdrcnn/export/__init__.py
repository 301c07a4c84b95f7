"""Export of weights files to ONNX for other runtimes, in float32 and in 8 bits."""
