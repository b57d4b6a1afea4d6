"""How a fitted network is executed: by ONNX Runtime, or by torch."""
