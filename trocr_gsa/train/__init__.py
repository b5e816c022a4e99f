"""Training and fine-tuning: arguments, LoRA, data, validation, checkpoints and the training loop."""
