"""What the model looks at, and whether it disentangles emotion from context."""
