"""What a model consists of and costs: parameters, multiply-adds, latency, memory."""
