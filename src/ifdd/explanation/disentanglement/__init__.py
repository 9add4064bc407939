"""Whether the two halves of the model separate emotion from context: probes, leakage, frame indexes and heat maps."""
