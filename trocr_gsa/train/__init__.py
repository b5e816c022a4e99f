"""Fine-tuning and training: arguments, LoRA, metrics, evaluation, checkpoints and the accelerate loop."""
