"""The linear layers that `targets` and `projections` of a LoRA configuration stand for."""

ENCODER_LAYERS = {
    "qv": "q_proj|v_proj",
    "qkvo": "q_proj|k_proj|v_proj|o_proj",
    "all": "q_proj|k_proj|v_proj|o_proj|fc1|fc2",
}
DECODER_LAYERS = {name: layers.replace("o_proj", "out_proj") for name, layers in ENCODER_LAYERS.items()}
TARGETS = ("encoder", "decoder", "both", "behind_pose")


def is_preset(pattern: str) -> bool:
    """Whether a regular expression comes from `target_pattern`, and is therefore known to be fast."""
    return any(pattern == target_pattern(half, name) for half in TARGETS for name in ENCODER_LAYERS)


def target_pattern(targets: str, projections: str) -> str:
    """Return the regular expression for the full names of the layers, for the presets of `lora_config`."""
    encoder = rf"(.*\.)?encoder\..*\.({ENCODER_LAYERS[projections]})"
    behind_pose = rf"(.*\.)?encoder\.layers\..*\.({ENCODER_LAYERS[projections]})"
    decoder = rf"(.*\.)?decoder\..*\.({DECODER_LAYERS[projections]})"
    return {
        "encoder": encoder,
        "decoder": decoder,
        "both": f"({encoder})|({decoder})",
        "behind_pose": f"({behind_pose})|({decoder})",
    }[targets]
