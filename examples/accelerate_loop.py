"""Fine-tune all weights of a reader in your own training loop, on all available devices.

accelerate launch examples/accelerate_loop.py my_lines/ runs/loop
"""

from pathlib import Path

import torch
import typer
from accelerate import Accelerator
from torch.utils.data import DataLoader

from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source

PACKAGED = "trocr_gsa/checkpoint"


def main(train: Path, output: Path, base: str = PACKAGED, epochs: int = 5, batch_size: int = 16) -> None:
    """Train on a folder of lines, print the mean loss of each epoch, and save model and processor."""
    processor = TrOCRGSAProcessor.from_pretrained(base)
    reader = TrOCRGSAModel.from_pretrained(base).train()

    def collate(lines: list[LineSample]) -> dict[str, torch.Tensor]:
        return dict(processor([line.image for line in lines], [line.text for line in lines]))

    accelerator = Accelerator()
    loader = DataLoader(open_source(train), batch_size, shuffle=True, collate_fn=collate)
    optimizer = torch.optim.AdamW(reader.parameters(), lr=3e-4)
    reader, optimizer, loader = accelerator.prepare(reader, optimizer, loader)
    for epoch in range(epochs):
        losses = []
        for batch in loader:
            loss = reader(**batch).loss
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(reader.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        mean = accelerator.reduce(torch.stack(losses).mean(), "mean")
        accelerator.print(f"epoch {epoch + 1}: loss {mean:.3f}")
    if accelerator.is_main_process:
        accelerator.unwrap_model(reader).save_pretrained(output)
        processor.save_pretrained(output)


if __name__ == "__main__":
    typer.run(main)
