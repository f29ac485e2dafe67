"""What a run tells: metrics and timings as JSON lines, TensorBoard, Weights & Biases."""
