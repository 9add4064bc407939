"""Export a checkpoint for other engines: ONNX, OpenVINO, programs of torch.export; 8-bit integers."""
