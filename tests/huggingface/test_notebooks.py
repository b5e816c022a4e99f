"""What notebooks for TrOCR do runs on readers of this project, with few lines changed.

The two scripts below make the same calls in the same order as N. Rogge's notebooks, which fine-tune TrOCR on the IAM
database with a loop in PyTorch and with Seq2SeqTrainer, in the words of transformers 5 (where settings of generation
have moved, and so has the optimizer). They are run as they stand on a stock TrOCR, and with the changes on ours.
"""

import json
from pathlib import Path

import pytest
import torch
from slow_cases import others_slow
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from tiny_checkpoint import draw_line, save_checkpoint
from transformers import VisionEncoderDecoderModel, default_data_collator

from trocr_gsa import TrOCRGSAModel

TEXTS = ["abc", "de", "fgh", "ij", "klm", "no"]

PREPARE = """
import json
from pathlib import Path
import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import TrOCRProcessor

rows = [json.loads(row) for row in Path(root + "metadata.jsonl").read_text().splitlines()]
train_rows, eval_rows = rows[:4], rows[4:]

class IAMDataset(Dataset):
    def __init__(self, root_dir, rows, processor, max_target_length=16):
        self.root_dir = root_dir
        self.rows = rows
        self.processor = processor
        self.max_target_length = max_target_length

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        image = Image.open(self.root_dir + self.rows[index]["file_name"]).convert("RGB")
        pixel_values = self.processor(image, return_tensors="pt").pixel_values
        labels = self.processor.tokenizer(
            self.rows[index]["text"], padding="max_length", max_length=self.max_target_length
        ).input_ids
        labels = [label if label != self.processor.tokenizer.pad_token_id else -100 for label in labels]
        return {"pixel_values": pixel_values.squeeze(), "labels": torch.tensor(labels)}

processor = TrOCRProcessor.from_pretrained(folder)
train_dataset = IAMDataset(root, train_rows, processor)
eval_dataset = IAMDataset(root, eval_rows, processor)
labels = train_dataset[0]["labels"]
labels[labels == -100] = processor.tokenizer.pad_token_id
assert processor.decode(labels, skip_special_tokens=True) == train_rows[0]["text"]

from transformers import VisionEncoderDecoderModel

device = torch.device("cpu")
model = VisionEncoderDecoderModel.from_pretrained(folder)
model.to(device)
model.config.decoder_start_token_id = processor.tokenizer.cls_token_id
model.config.pad_token_id = processor.tokenizer.pad_token_id
model.config.vocab_size = model.config.decoder.vocab_size
model.config.eos_token_id = processor.tokenizer.sep_token_id
model.generation_config.decoder_start_token_id = processor.tokenizer.cls_token_id
model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
model.generation_config.eos_token_id = processor.tokenizer.sep_token_id
model.generation_config.max_length = 12
model.generation_config.early_stopping = True
model.generation_config.no_repeat_ngram_size = 3
model.generation_config.length_penalty = 2.0
model.generation_config.num_beams = 4

import jiwer

def compute_cer(pred_ids, label_ids):
    pred_str = processor.batch_decode(pred_ids, skip_special_tokens=True)
    label_ids[label_ids == -100] = processor.tokenizer.pad_token_id
    label_str = processor.batch_decode(label_ids, skip_special_tokens=True)
    return jiwer.cer(label_str, pred_str)
"""

NATIVE = """
from torch.utils.data import DataLoader

train_dataloader = DataLoader(train_dataset, batch_size=2, shuffle=True)
eval_dataloader = DataLoader(eval_dataset, batch_size=2)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
valid_cer = 0.0
for epoch in range(2):
    model.train()
    for batch in train_dataloader:
        for k, v in batch.items():
            batch[k] = v.to(device)
        outputs = model(**batch)
        loss = outputs.loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
model.eval()
with torch.no_grad():
    for batch in eval_dataloader:
        outputs = model.generate(batch["pixel_values"].to(device))
        valid_cer += compute_cer(pred_ids=outputs, label_ids=batch["labels"])
valid_cer /= len(eval_dataloader)
model.save_pretrained(output)
"""

TRAINER = """
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, default_data_collator

training_args = Seq2SeqTrainingArguments(
    predict_with_generate=True,
    eval_strategy="steps",
    per_device_train_batch_size=2,
    per_device_eval_batch_size=2,
    output_dir=output,
    logging_steps=1,
    save_steps=1000,
    eval_steps=2,
    max_steps=4,
    report_to=[],
    use_cpu=True,
)

def compute_metrics(pred):
    return {"cer": compute_cer(pred.predictions, pred.label_ids)}

trainer = Seq2SeqTrainer(
    model=model,
    processing_class=processor.image_processor,
    args=training_args,
    compute_metrics=compute_metrics,
    train_dataset=train_dataset,
    eval_dataset=eval_dataset,
    data_collator=default_data_collator,
)
trainer.train()
valid_cer = trainer.state.log_history[-2]["eval_cer"]
trainer.save_model(output)
"""
NOTEBOOKS = {"native PyTorch": PREPARE + NATIVE, "Seq2SeqTrainer": PREPARE + TRAINER}

CHANGES = {
    "from transformers import TrOCRProcessor\n": "from trocr_gsa import TrOCRGSAProcessor\n",
    "= TrOCRProcessor.from_pretrained(folder)": (
        "= TrOCRGSAProcessor.from_pretrained(folder, pad_to_max_patches=True, max_patches=32)"
    ),
    "from transformers import VisionEncoderDecoderModel": "from trocr_gsa import TrOCRGSAModel",
    "= VisionEncoderDecoderModel.from_pretrained(folder)": "= TrOCRGSAModel.from_pretrained(folder)",
}
MOST_CHANGES = 5


def changed(notebook: str) -> str:
    for old, new in CHANGES.items():
        assert notebook.count(old) == 1
        notebook = notebook.replace(old, new)
    return notebook


def run(notebook: str, folder: Path, lines: Path, output: Path) -> dict:
    names = {"folder": str(folder), "root": f"{lines}/", "output": str(output)}
    exec(compile(notebook, "notebook", "exec"), names)
    return names


def loss(model, dataset) -> float:
    """Return what is left to learn."""
    batch = default_data_collator([dataset[index] for index in range(len(dataset))])
    with torch.no_grad():
        return model.eval()(**batch).loss.item()


def check(found: dict, folder: Path) -> None:
    """Check that a notebook's model has learned, reads and was saved."""
    assert type(found["model"]) is TrOCRGSAModel
    assert loss(found["model"], found["train_dataset"]) < loss(
        TrOCRGSAModel.from_pretrained(folder), found["train_dataset"]
    )
    assert 0 <= found["valid_cer"] < float("inf")
    assert Path(found["output"], "model.safetensors").is_file()


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    rows = [{"file_name": f"{index}.png", "text": text} for index, text in enumerate(TEXTS)]
    for row in rows:
        draw_line(row["text"]).save(folder / row["file_name"])
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning")  # of the loader, where there is no accelerator
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_it_runs_as_it_stands_on_a_stock_trocr(notebook, lines, tmp_path):
    folder = make_stock_model(tmp_path / "trocr", "base-printed")
    make_stock_processor(folder, "base-printed")
    found = run(NOTEBOOKS[notebook], folder, lines, tmp_path / "output")
    assert type(found["model"]) is VisionEncoderDecoderModel
    assert 0 <= found["valid_cer"] < float("inf")


@pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning")
@pytest.mark.parametrize("ctc", others_slow([0, 4], 4), ids=["decoder", "decoder and CTC"])
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_it_learns_and_reads_with_a_reader_of_this_project(notebook, ctc, lines, tmp_path):
    folder = save_checkpoint(tmp_path / "reader", ctc_steps_per_patch=ctc)
    found = run(changed(NOTEBOOKS[notebook]), folder, lines, tmp_path / "output")
    check(found, folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*pin_memory:UserWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_so_it_does_with_the_packaged_reader(notebook, lines, tmp_path):
    folder = Path(__file__).parents[2] / "trocr_gsa" / "checkpoint"
    check(run(changed(NOTEBOOKS[notebook]), folder, lines, tmp_path / "output"), folder)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_at_most_five_lines_are_changed_and_none_is_added(notebook):
    before, after = NOTEBOOKS[notebook].splitlines(), changed(NOTEBOOKS[notebook]).splitlines()
    assert len(before) == len(after)
    assert sum(old != new for old, new in zip(before, after, strict=True)) == len(CHANGES) <= MOST_CHANGES
