"""Images and texts to what the reader takes, and back."""

from pathlib import Path
from typing import Any, Self

from torch import Tensor
from transformers import AutoConfig, BatchFeature, TrOCRProcessor
from transformers.processing_utils import ProcessorMixin

from .image_processing_square import SquareImageProcessor
from .stock_trocr import square_side
from .weight_files import told_in_one_line


class TrOCRGSAProcessor(ProcessorMixin):
    """An image processor for lines and a tokenizer for their text, as one.

    Args:
        image_processor: a TrOCRGSAImageProcessor, or a SquareImageProcessor for a model taken over from a stock TrOCR.
        tokenizer: a ByT5Tokenizer (bytes: any language, no vocabulary file), or a stock TrOCR's.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)

    @classmethod
    def from_trocr(cls, path_or_hub_id: str | Path, **loading: Any) -> Self:
        """Take over a stock TrOCR's processor: its tokenizer as it is, its pictures prepared alike at every turn.

        Args:
            path_or_hub_id: a TrOCR's folder or Hub id; files as old as TrOCR itself will do.
            loading: for transformers' `from_pretrained`, such as `revision` and `token`.

        Raises:
            ValueError: if there is no TrOCR, its tokenizer's vocabulary is missing, or its pictures are cropped, not
                resized, or no squares.
        """
        loading = {"trust_remote_code": False} | loading
        try:
            with told_in_one_line(path_or_hub_id, "path_or_hub_id"):
                stock: Any = TrOCRProcessor.from_pretrained(str(path_or_hub_id), **loading)
                config: Any = AutoConfig.from_pretrained(str(path_or_hub_id), **loading)
            patch_size = square_side(config.encoder, "patch_size")
        except (AttributeError, OSError, ValueError) as error:
            raise ValueError(
                f"`path_or_hub_id`: no TrOCR's processor and config.json could be loaded from {path_or_hub_id}. Give a "
                f"folder that `processor.save_pretrained` and `model.save_pretrained` wrote, or owner/name on the Hub, "
                f"in reach or in the cache. {error}"
            ) from error
        if len(stock.tokenizer) <= len(set(stock.tokenizer.all_special_ids)):
            raise ValueError(
                f"`path_or_hub_id`: the tokenizer's vocabulary is missing in {path_or_hub_id}. Put vocab.json and "
                "merges.txt, sentencepiece.bpe.model, or tokenizer.json there."
            )
        return cls(square_image_processor(stock.image_processor, patch_size), stock.tokenizer)

    def __call__(
        self, images: Any = None, text: str | list[str] | None = None, return_tensors: str | None = "pt", **kwargs: Any
    ) -> BatchFeature:
        """Prepare images, texts, or both.

        Args:
            images: one or many images.
            text: as many texts; they become `labels`, −100 at padding.
            return_tensors: "pt".
            kwargs: for the tokenizer.

        Raises:
            ValueError: if neither is given.
        """
        if images is None and text is None:
            raise ValueError("`images` or `text` must be given, got neither.")
        data = BatchFeature()
        if images is not None:
            data.update(self.image_processor(images, return_tensors=return_tensors))
        if text is not None:
            texts = [text] if isinstance(text, str) else text
            # a text may hold "</s>" or "<pad>", and means these letters
            encoded = self.tokenizer(
                texts, padding=True, return_tensors=return_tensors, split_special_tokens=True, **kwargs
            )
            data["labels"] = encoded["input_ids"].masked_fill(encoded["attention_mask"] == 0, -100)
        return data

    def batch_decode(self, sequences: Tensor | list[list[int]], **kwargs: Any) -> list[str]:
        """Return the texts of token ids."""
        return self.tokenizer.batch_decode(sequences, **kwargs)

    def decode(self, ids: Tensor | list[int], **kwargs: Any) -> str:
        """Return the text of one line's token ids."""
        return self.tokenizer.decode(ids, **kwargs)


def square_image_processor(stock: Any, patch_size: int) -> SquareImageProcessor:
    """Return what does to a lying picture what a stock TrOCR's image processor does to any.

    Args:
        stock: transformers' ViTImageProcessor or DeiTImageProcessor, for either backend.
        patch_size: side of the model's patches.

    Raises:
        ValueError: if it is another one, or does what cannot be done to a turned picture alike.
    """
    settings = stock.to_dict()
    kind = settings["image_processor_type"]
    if kind not in ("ViTImageProcessor", "DeiTImageProcessor"):
        raise ValueError(f"`image_processor` must be a ViT's or a DeiT's, as in every TrOCR, got a {kind}.")
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if not settings[step]:
            raise ValueError(f"`{step}` must be true, as in every TrOCR, got {settings[step]}.")
    if settings.get("do_center_crop") and settings["crop_size"] != settings["size"]:
        raise ValueError(
            f"`do_center_crop` must be false, got a crop to {settings['crop_size']}: it cuts off the ends of lines."
        )
    kept = ("size", "resample", "image_mean", "image_std", "rescale_factor")
    return SquareImageProcessor(patch_size=patch_size, **{name: settings[name] for name in kept})
