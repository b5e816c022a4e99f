"""The processor: images and texts to the model's inputs, and token ids to texts."""

from inspect import signature
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from transformers import AutoConfig, BatchFeature, TrOCRProcessor
from transformers.processing_utils import ProcessorMixin

from .image_processing_square import SquareImageProcessor
from .picture_batches import setting_names
from .stock_trocr import square_side
from .weight_files import one_line_errors


class TrOCRGSAProcessor(ProcessorMixin):
    """An image processor for lines, together with a tokenizer for their texts.

    Args:
        image_processor: a TrOCRGSAImageProcessor, or a SquareImageProcessor for a model taken over from a stock TrOCR.
        tokenizer: a ByT5Tokenizer (bytes: any language, no vocabulary file), or a stock TrOCR's.
    """

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, **kwargs: Any) -> None:
        super().__init__(image_processor, tokenizer, **kwargs)
        if getattr(tokenizer, "cls_token", None) is None and getattr(tokenizer, "sep_token", None) is None:
            # scripts for TrOCR look up the first and the last token under these names
            tokenizer.cls_token, tokenizer.sep_token = tokenizer.pad_token, tokenizer.eos_token

    @classmethod
    def from_trocr(cls, path_or_hub_id: str | Path, **loading: Any) -> Self:
        """Convert a stock TrOCR's processor: the same tokenizer, and an image processor that commutes with rotations.

        Args:
            path_or_hub_id: folder or Hub id of a TrOCR; the file formats of its first release are supported.
            loading: for transformers' `from_pretrained`, such as `revision` and `token`.

        Raises:
            ValueError: if there is no TrOCR, its tokenizer's vocabulary is missing, or its images are cropped, not
                resized, or not square.
        """
        loading = {"trust_remote_code": False} | loading
        try:
            with one_line_errors(path_or_hub_id, "path_or_hub_id"):
                stock: Any = TrOCRProcessor.from_pretrained(str(path_or_hub_id), **loading)
                config: Any = AutoConfig.from_pretrained(str(path_or_hub_id), **loading)
            patch_size = square_side(config.encoder, "patch_size")
        except (AttributeError, OSError, ValueError) as error:
            raise ValueError(
                f"`path_or_hub_id`: no TrOCR processor and config.json could be loaded from {path_or_hub_id}. Give a "
                f"folder that `processor.save_pretrained` and `model.save_pretrained` wrote, or owner/name on the Hub, "
                f"reachable or in the cache. {error}"
            ) from error
        if len(stock.tokenizer) <= len(set(stock.tokenizer.all_special_ids)):
            raise ValueError(
                f"`path_or_hub_id`: the tokenizer's vocabulary is missing in {path_or_hub_id}. Put vocab.json and "
                "merges.txt, sentencepiece.bpe.model, or tokenizer.json there."
            )
        return cls(square_image_processor(stock.image_processor, patch_size), stock.tokenizer)

    def __call__(
        self,
        images: Any = None,
        text: str | list[str] | None = None,
        return_tensors: str | None = "pt",
        images_kwargs: dict[str, Any] | None = None,
        text_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prepare images, texts, or both.

        Args:
            images: one or many images.
            text: one or many texts, as many as images; they become `labels`, −100 at padding. If all are empty, there
                are also `decoder_input_ids` without tokens, because pipeline("image-text-to-text") needs a prompt.
            return_tensors: "pt", "np", or None for lists.
            images_kwargs: settings of the image processor, for this call.
            text_kwargs: arguments of the tokenizer.
            kwargs: settings and arguments of either, for example `line_height` or `padding`.

        Raises:
            ValueError: if neither images nor texts are given, or not as many texts as images.
            TypeError: if an argument is known neither to the image processor nor to the tokenizer.
        """
        if images is None and text is None:
            raise ValueError("`images` or `text` must be given, got neither.")
        of_images, of_text = self._split(kwargs)
        data: dict[str, Any] = {}
        if images is not None:
            data |= self.image_processor(images, return_tensors=return_tensors, **of_images | (images_kwargs or {}))
        texts = [text] if isinstance(text, str) else text or []
        if text is not None and images is not None and len(texts) != (count := len(data["pixel_values"])):
            raise ValueError(f"`text` must hold one text for each of {count} images, got {len(texts)}.")
        if text is not None:
            data |= self._labels(texts, return_tensors, of_text | (text_kwargs or {}))
            if images is not None and return_tensors == "pt" and not any(texts):
                data["decoder_input_ids"] = torch.zeros(len(texts), 0, dtype=torch.long)
        return BatchFeature(data)

    def _split(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split arguments into those of the image processor and those of the tokenizer."""
        of_images = {*setting_names(type(self.image_processor)), "do_convert_rgb", "input_data_format"}
        known = of_images | {*signature(self.tokenizer.__call__).parameters, "split_special_tokens"} - {"kwargs"}
        for name in arguments:
            if name not in known:
                raise TypeError(
                    f"{type(self).__name__} got an unexpected argument {name!r}. Settings of images are "
                    f"{', '.join(sorted(of_images))}; other arguments must be those of the tokenizer."
                )
        images = {name: value for name, value in arguments.items() if name in of_images}
        return images, {name: value for name, value in arguments.items() if name not in of_images}

    def _labels(self, texts: list[str], return_tensors: str | None, arguments: dict[str, Any]) -> BatchFeature:
        # "</s>" or "<pad>" in a text are ordinary characters, not special tokens
        arguments = {"padding": True, "split_special_tokens": True} | arguments | {"return_attention_mask": True}
        encoded = self.tokenizer(texts, **arguments)
        labels = [
            [letter if present else -100 for letter, present in zip(*line, strict=True)]
            for line in zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
        ]
        return BatchFeature({"labels": labels}, tensor_type=return_tensors)

    def batch_decode(self, sequences: Tensor | list[list[int]], **kwargs: Any) -> list[str]:
        """Return the texts of token ids."""
        return self.tokenizer.batch_decode(sequences, **kwargs)

    def decode(self, ids: Tensor | list[int], **kwargs: Any) -> str:
        """Return the text of one line's token ids."""
        return self.tokenizer.decode(ids, **kwargs)


def square_image_processor(stock: Any, patch_size: int) -> SquareImageProcessor:
    """Return the image processor that treats a landscape image as a stock TrOCR's image processor does.

    Args:
        stock: transformers' ViTImageProcessor or DeiTImageProcessor, for either backend.
        patch_size: side of the model's patches.

    Raises:
        ValueError: if it is another image processor, or has a step that does not commute with rotations.
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
