"""What happens around a training step: batches, the state for resuming, signals, several processes, logs, progress."""
