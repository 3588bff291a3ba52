"""Local servers that unmodified clients speak to: the tracker (Weights & Biases) and the hub (Hugging Face)."""
