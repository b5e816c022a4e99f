"""Functions that create the processor files of a TrOCR: the image preparation, and a small but complete tokenizer.

Sources: transformers 4.12 to 4.24 wrote `feature_extractor_type` and an integer `size`; the documentation of TrOCR in
transformers names the tokenizers of RoBERTa and XLM-R. From memory: base and large have vocab.json and merges.txt,
small has sentencepiece.bpe.model, and none has a tokenizer.json; mean and standard deviation are 0.5; the resampling (2
is bilinear, 3 bicubic); the crop of small is switched off.
"""

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
from stock_trocr import IMAGE_SIZE, VOCABULARY
from transformers.convert_slow_tokenizer import bytes_to_unicode

SENTENCES = """
the quick brown fox jumps over the lazy dog and reads what is written on the line
a line of text may lie, stand or hang upside down: it says the same, all the same
Industrie, " Mr. Brown commented icily. " Let us have a word, says the reader to the line
0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 1889 1914 1945 1989 2024
PACK MY BOX WITH FIVE DOZEN LIQUOR JUGS; SPHINX OF BLACK QUARTZ, JUDGE MY VOW!
"""
MARKS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>"}
MARKS |= {"pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>"}


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def write_image_processor(folder: Path, name: str, **changes: Any) -> None:
    """Write a preprocessor_config.json as of transformers 4.12; a change to None omits a field."""
    small = name.startswith("small")
    settings = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "DeiTFeatureExtractor" if small else "ViTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3 if small else 2,
        "size": IMAGE_SIZE,
        **({"crop_size": 224, "do_center_crop": False} if small else {}),
        **changes,
    }
    settings = {field: value for field, value in settings.items() if value is not None}
    write_json(folder / "preprocessor_config.json", settings)


def write_roberta(folder: Path, vocabulary: int) -> None:
    """Write a byte-level BPE: four special tokens, 256 bytes, merges of pairs of letters, and the mask token."""
    letters = list(bytes_to_unicode().values())
    pairs = [(a, b) for a in "\u0120thesnr" for b in "aeiou"][: vocabulary - len(letters) - 5]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, *(a + b for a, b in pairs), "<mask>"]
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs), encoding="utf-8")
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False}
    write_json(folder / "special_tokens_map.json", {**MARKS, "mask_token": mask})
    settings = {"add_prefix_space": False, "errors": "replace", "trim_offsets": True, "model_max_length": 512}
    settings |= {"tokenizer_class": "RobertaTokenizer", "name_or_path": "roberta-large"}
    write_json(folder / "tokenizer_config.json", {**settings, **MARKS})


def write_xlm_roberta(folder: Path, vocabulary: int) -> None:
    """Write a sentencepiece model; its tokenizer adds <pad> and <mask>, and moves the other special tokens."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES.strip().splitlines()),
        model_writer=model,
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (folder / "sentencepiece.bpe.model").write_bytes(model.getvalue())
    write_json(folder / "special_tokens_map.json", MARKS)
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "sp_model_kwargs": {}, "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", {**settings, **MARKS})


def make_stock_processor(folder: Path, name: str, **changes: Any) -> Path:
    """Write the files of the `TrOCRProcessor` of that name, with `changes` to the image preparation."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image_processor(folder, name, **changes)
    size = name.split("-")[0]
    if size == "small":
        write_xlm_roberta(folder, VOCABULARY[size] - 2)
    else:
        write_roberta(folder, VOCABULARY[size])
    return folder
