"""The whole chain from rows to a label as one ONNX graph, for run times that know nothing of tsae."""
