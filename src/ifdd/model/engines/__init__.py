"""What runs a trained model: PyTorch, ONNX Runtime, OpenVINO, or a program of torch.export."""
