"""Train an adapter with PEFT, publish it on the Hub, and load it from there to read a line.

python examples/adapter_on_hub.py my_lines/ OWNER/my_hand --base OWNER/base
Set HF_ENDPOINT to use another Hub than that of Hugging Face. `trocr-gsa push` also writes a model card.
"""

from pathlib import Path

import torch
import typer
from peft import PeftModel, get_peft_model
from torch.utils.data import DataLoader
from transformers import AutoModelForImageTextToText, AutoProcessor

from trocr_gsa import lora_config
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source


def main(train: Path, name: str, base: str, epochs: int = 5) -> None:
    """Train on a folder of lines, push the adapter, load it again, and print the text of the first line."""
    processor = AutoProcessor.from_pretrained(base)
    model = AutoModelForImageTextToText.from_pretrained(base)
    adapted = get_peft_model(model, lora_config("both", rank=8, model=model))
    adapted.print_trainable_parameters()

    def collate(lines: list[LineSample]) -> dict[str, torch.Tensor]:
        return dict(processor([line.image for line in lines], [line.text for line in lines]))

    lines = open_source(train)
    optimizer = torch.optim.AdamW((weight for weight in adapted.parameters() if weight.requires_grad), lr=1e-3)
    for epoch in range(epochs):
        for batch in DataLoader(lines, batch_size=16, shuffle=True, collate_fn=collate):
            loss = adapted(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
    adapted.push_to_hub(name)

    again = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base), name).eval()
    tokens = again.generate(**processor(lines[0].image))
    print(processor.batch_decode(tokens, skip_special_tokens=True)[0])


if __name__ == "__main__":
    typer.run(main)
