"""Records that a run leaves: checkpoints, metrics, samples, TensorBoard."""
