"""Fine-tune all weights of a reader with the Seq2SeqTrainer of transformers.

python examples/seq2seq_trainer.py my_lines/ runs/trainer my_other_lines/
"""

from pathlib import Path

import torch
import typer
from transformers import EvalPrediction, Seq2SeqTrainer, Seq2SeqTrainingArguments

from trocr_gsa import TrOCRGSAModel, TrOCRGSAProcessor
from trocr_gsa.data.samples import LineSample
from trocr_gsa.data.sources import open_source
from trocr_gsa.metrics.error_rates import cer

PACKAGED = "trocr_gsa/checkpoint"


def main(train: Path, output: Path, validation: Path, base: str = PACKAGED, steps: int = 1000) -> None:
    """Train on a folder of lines, print the validation CER, and save model and processor."""
    processor, reader = TrOCRGSAProcessor.from_pretrained(base), TrOCRGSAModel.from_pretrained(base)

    def collate(lines: list[LineSample]) -> dict:
        return dict(processor([line.image for line in lines], [line.text for line in lines]))

    def measure(found: EvalPrediction) -> dict[str, float]:
        tokens = (torch.tensor(found.label_ids), torch.tensor(found.predictions))
        labels, written = (
            processor.batch_decode(ids.masked_fill(ids < 0, reader.config.pad_token_id), skip_special_tokens=True)
            for ids in tokens
        )
        return {"cer": cer(labels, written)}

    arguments = Seq2SeqTrainingArguments(
        str(output),
        max_steps=steps,
        per_device_train_batch_size=16,
        gradient_accumulation_steps=2,
        learning_rate=3e-4,
        lr_scheduler_type="cosine",
        predict_with_generate=True,
        remove_unused_columns=False,  # the lines are not dictionaries
    )
    trainer = Seq2SeqTrainer(
        reader,
        arguments,
        data_collator=collate,
        train_dataset=open_source(train),
        eval_dataset=open_source(validation),
        compute_metrics=measure,
    )
    trainer.train()
    print(f"CER {trainer.evaluate()['eval_cer']:.1%}")
    reader.save_pretrained(output / "last")
    processor.save_pretrained(output / "last")


if __name__ == "__main__":
    typer.run(main)
