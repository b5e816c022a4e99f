"""Images and texts to what the reader takes, and back."""

from typing import Any

from torch import Tensor
from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin


class TrOCRGSAProcessor(ProcessorMixin):
    """An image processor for lines and a tokenizer for their text, as one.

    Args:
        image_processor: a TrOCRGSAImageProcessor, or a stock TrOCR's.
        tokenizer: a ByT5Tokenizer (bytes: any language, no vocabulary file), or a stock TrOCR's.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)

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
