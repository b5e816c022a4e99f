"""The reader: a GSA-Net encoder with a TrOCR decoder.

What differs from VisionEncoderDecoderModel:
- the decoder's cross-attention gets a bias: log p(pose) for the tokens of a pose, minus infinity for padding;
- `orientation` is a prior over poses. It is the only place where invariance is given up, on purpose;
- with labels, the loss also contains the loss of the pose head, and of the CTC head if there is one.
"""

from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    VisionEncoderDecoderModel,
)
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.modeling_outputs import Seq2SeqLMOutput

from .attention_kernels import check_implementation
from .checks import check_pose_labels, check_prior
from .configuration_trocr_gsa import TrOCRGSAConfig
from .ctc import CTCHead
from .ctc_prefix import CTCPrefixLogitsProcessor
from .decoder_cache import CACHE, UnsupportedTransformersError, cached_tokens, check_next_tokens, decode
from .fused_decoder import decoder_implementation, fuse_attention
from .modeling_gsa_net import GSANetModel, GSANetModelOutput, is_requested
from .orientation import Orientation, only_pose, orientation_bias
from .sinusoids import keep_sinusoids
from .take_over import TakesOverTrOCR

# Every loss by its name in the output, and what it is a mean over. Its weight is `NAME_weight` of the configuration
# (`ctc_loss_weight`), or 1 if there is no such setting.
LOSSES = {"decoder_loss": "tokens", "ctc_loss": "tokens", "pose_loss": "lines"}
# arguments of the decoder that the reader sets itself
RESERVED = ("input_ids", "inputs_embeds", "attention_mask", "encoder_hidden_states", "encoder_attention_mask", "labels")


@dataclass
class TrOCRGSAOutput(Seq2SeqLMOutput):
    """A Seq2SeqLMOutput with the reader's additional outputs.

    Attributes:
        decoder_loss: cross-entropy of the decoder, mean over tokens.
        ctc_loss: −log p_CTC per token; None without a CTC head.
        pose_loss: cross-entropy of the pose head, mean over lines; None if the pose is unknown.
        pose_logits: (batch, pose), log p(h).
        ctc_logits: (batch, frame, vocab).
        ctc_lengths: (batch,) long, frames of each line.
    """

    decoder_loss: Tensor | None = None
    ctc_loss: Tensor | None = None
    pose_loss: Tensor | None = None
    pose_logits: Tensor | None = None
    ctc_logits: Tensor | None = None
    ctc_lengths: Tensor | None = None


class TrOCRGSAModel(TakesOverTrOCR, VisionEncoderDecoderModel):
    """A model that reads line images in every orientation of its group.

    p(token_t | tokens before, image), with cross-attention over (i,h) whose logits are increased by log p(h)

    Args:
        config: configuration of encoder, decoder and heads.
        encoder: a GSANetModel to use instead of a new one.
        decoder: a causal language model with cross-attention, to use instead of a new one.

    Source: Li et al. 2021 (TrOCR); Schreiber 2023, §7.
    """

    config_class = TrOCRGSAConfig
    base_model_prefix = "trocr_gsa"
    accepts_loss_kwargs = False  # the loss is the mean over the batch; it ignores Trainer's `num_items_in_batch`
    _supports_flex_attn = True
    # none but the decoder's; PEFT finds those if this is a dictionary
    _tied_weights_keys: ClassVar[dict[str, str]] = {}
    encoder: GSANetModel
    decoder: PreTrainedModel

    def __init__(
        self, config: TrOCRGSAConfig | None = None, encoder: GSANetModel | None = None, decoder: Any | None = None
    ) -> None:
        if encoder is not None and decoder is not None and not isinstance(config, TrOCRGSAConfig):
            marks = ("pad_token_id", "decoder_start_token_id", "eos_token_id")
            ids = {mark: getattr(decoder.config, mark) for mark in marks}
            joint = TrOCRGSAConfig.from_encoder_decoder_configs(encoder.config, decoder.config, **ids)
            config = cast(TrOCRGSAConfig, joint)
        of_decoder = None if config is None or decoder is not None else decoder_implementation(config)
        if config is not None and encoder is None:
            self.config_class = type(config)  # with remote code it may be the same class from another copy of the file
            encoder = GSANetModel._from_config(config.encoder)
        super().__init__(config, encoder, decoder)
        # transformers sets this to False; PEFT reads it before it changes or merges embeddings
        self.config.tie_word_embeddings = getattr(self.decoder.config, "tie_word_embeddings", False)
        keep_sinusoids(self.decoder)
        fuse_attention(self.decoder, of_decoder or self.encoder.config._attn_implementation)
        self.ctc_head = None
        if self.config.ctc_steps_per_patch:
            letters = self.decoder.config.vocab_size
            steps = self.config.ctc_steps_per_patch
            self.ctc_head = CTCHead(self.encoder.config.hidden_size, letters, steps, self.config.pad_token_id)
        self.post_init()

    def set_attn_implementation(self, attn_implementation: str | dict[str, str], *args: Any, **kwargs: Any) -> None:
        """Choose the implementation of attention, as in transformers.

        Args:
            attn_implementation: "sdpa", "eager", "flash_attention_2" or another name of transformers, or a dictionary
                with one name each for "encoder" and "decoder". The decoder has "eager" attention, and fused attention
                for all other names.
            args: for transformers' `set_attn_implementation`.
            kwargs: for transformers' `set_attn_implementation`.

        Raises:
            ValueError: if the name is unknown, or the implementation cannot be used.
            ImportError: if it is not installed.
        """
        is_one = isinstance(attn_implementation, str)
        one_each = dict.fromkeys(("", "encoder", "decoder"), attn_implementation) if is_one else attn_implementation
        if "encoder" in one_each:
            self.encoder.set_attn_implementation(one_each["encoder"], *args, **kwargs)
        if "decoder" in one_each:
            check_implementation(one_each["decoder"])
            fuse_attention(self.decoder, one_each["decoder"])
        self.config._attn_implementation_internal = self.encoder.config._attn_implementation

    def set_input_embeddings(self, value: torch.nn.Module) -> None:
        """Replace the token embeddings of the decoder."""
        self.decoder.set_input_embeddings(value)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> torch.nn.Embedding:
        """Change the number of tokens of the decoder, and of the CTC head if there is one.

        Args: as in transformers.

        Returns: the new token embeddings.

        Raises:
            ValueError: if the padding token, which is the CTC blank, is no longer among the tokens.
        """
        embeddings = cast(Any, super()).resize_token_embeddings(*args, **kwargs)
        if self.ctc_head is not None:
            self.ctc_head.resize(embeddings.num_embeddings)
        return embeddings

    def _init_weights(self, module: torch.nn.Module) -> None:
        self.encoder._init_weights(module)

    def forward(
        self,
        pixel_values: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: GSANetModelOutput | None = None,
        past_key_values: Any | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        pose_labels: Tensor | None = None,
        orientation: Orientation = "any",
        cache: Any | None = None,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> Any:
        """Predict the next tokens, and with `labels` compute the loss.

        loss = decoder + `ctc_loss_weight` · CTC + `pose_loss_weight` · pose

        Args: in the order of VisionEncoderDecoderModel.
            pixel_values: (batch, patch, channel · p · p), as the processor returns it, or (batch, channel, height,
                width).
            decoder_input_ids: (batch, token) long; None: the labels shifted to the right by one.
            decoder_attention_mask: (batch, token), 0 at padding.
            encoder_outputs: the encoder's output, if it is already computed.
            past_key_values: the decoder's cache, by its name in transformers up to 5.23.
            decoder_inputs_embeds: (batch, token, hidden), in place of `decoder_input_ids`.
            labels: (batch, token) long, −100 at padding.
            use_cache: whether to return the decoder's cache.
            output_attentions: also return the decoder's self-attention and cross-attention, and with "eager" attention
                the encoder's attention.
            output_hidden_states: also return the input and output of every layer of encoder and decoder.
            return_dict: False returns a tuple, without the fields that are None.
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            pose_labels: (batch,) long, the element by which each image is rotated. None: upright in training; if
                `orientation` is also "upright", there is no pose loss.
            orientation: "any", "upright" or {degrees counter-clockwise: probability}.
            cache: the decoder's cache, by its name since transformers 5.24.
            label_smoothing: label smoothing of the decoder's cross-entropy, in [0, 1).
            kwargs: other arguments of the decoder, with or without the prefix `decoder_`.

        Returns: a TrOCRGSAOutput, or a tuple.

        Raises:
            ValueError: if `orientation` is not valid or rules out a labelled pose, or the image or both labels and
                decoder inputs are missing.
            TypeError: if the decoder has no such argument.
        """
        if labels is not None and pose_labels is None and self.training and orientation != "upright":
            check_prior(orientation_bias(orientation, self.encoder.group), torch.zeros(1, dtype=torch.long))
            pose_labels = torch.zeros(len(labels), dtype=torch.long, device=labels.device)
        if encoder_outputs is None:
            encoder_outputs = self.encode(
                pixel_values,
                pixel_attention_mask,
                spatial_shapes,
                orientation,
                pose_labels,
                output_hidden_states,
                output_attentions,
            )
        if labels is not None and decoder_input_ids is not None and not decoder_input_ids.shape[1]:
            decoder_input_ids = None  # an empty prompt
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            if labels is None:
                raise ValueError(
                    "`labels` or `decoder_input_ids` must be given, got neither. To read, call `generate`."
                )
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        decoder_outputs = self._decode(
            encoder_outputs,
            past_key_values if cache is None else cache,
            input_ids=decoder_input_ids,
            inputs_embeds=decoder_inputs_embeds,
            attention_mask=decoder_attention_mask,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            **self._for_decoder(kwargs),
        )
        losses: dict[str, Any] = {}
        if labels is not None:
            losses = self._losses(decoder_outputs.logits, encoder_outputs, labels, pose_labels, label_smoothing)
        output = TrOCRGSAOutput(
            logits=decoder_outputs.logits,
            decoder_hidden_states=decoder_outputs.hidden_states,
            decoder_attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
            pose_logits=encoder_outputs.pose_logits,
            **{CACHE: decoder_outputs.get(CACHE)},
            **losses,
        )
        return output if is_requested(return_dict, self.config.return_dict) else output.to_tuple()

    @torch.no_grad()
    def generate(
        self,
        inputs: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        logits_processor: list[LogitsProcessor] | None = None,
        *args: Any,
        pixel_values: Tensor | None = None,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        orientation: Orientation = "any",
        encoder_outputs: GSANetModelOutput | None = None,
        ctc_weight: float | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """Read lines: run the encoder once, then transformers' `generate`, which takes all other arguments.

        If the model has a CTC head, greedy decoding and beam search choose tokens by (1 − λ) log p_dec + λ log p_CTC.

        Args:
            inputs: `pixel_values`, under transformers' name for them.
            generation_config: for transformers' `generate`.
            logits_processor: further processors, applied after the CTC scores.
            args: for transformers' `generate`.
            pixel_values: as in `forward`.
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            orientation: "any", "upright" or {degrees counter-clockwise: probability}.
            encoder_outputs: the encoder's output, if it is already computed; `orientation` then has no effect.
            ctc_weight: λ in [0, 1); None: as in the configuration.
            labels: ignored, so that a batch can be passed on as it is.
            kwargs: for transformers' `generate`. An `assistant_model` is another reader, which encodes the images too.

        Raises:
            ValueError: if `orientation` is not valid, the images are missing or given twice, `ctc_weight` is out of
                range, or the CTC head has no single end token.
        """
        if inputs is not None and pixel_values is not None:
            raise ValueError("`inputs` and `pixel_values` are two names of the same images. Give one of them.")
        pixel_values = inputs if pixel_values is None else pixel_values
        if encoder_outputs is None:
            settings: Any = self.generation_config if generation_config is None else generation_config
            names = ("output_hidden_states", "output_attentions")
            wanted = {name: kwargs.get(name, getattr(settings, name)) for name in names}
            encoder_outputs = self.encode(pixel_values, pixel_attention_mask, spatial_shapes, orientation, **wanted)
        # an assistant is given the processors of the reader that it assists, whose CTC frames are not its own
        others = [one for one in logits_processor or () if not isinstance(one, CTCPrefixLogitsProcessor)]
        processors = LogitsProcessorList([*self._ctc_processor(encoder_outputs, ctc_weight), *others])
        prompt, images = kwargs.get("decoder_input_ids"), None
        if prompt is not None and not prompt.shape[1]:
            del kwargs["decoder_input_ids"]
        if kwargs.get("assistant_model") is not None:
            if pixel_values is None:
                raise ValueError("`assistant_model` encodes the images itself: give `pixel_values` too.")
            patches = {"pixel_attention_mask": pixel_attention_mask, "spatial_shapes": spatial_shapes}
            images, kwargs = pixel_values, kwargs | {name: part for name, part in patches.items() if part is not None}
        encoder_outputs = GSANetModelOutput(**encoder_outputs)  # a copy, because beam search expands it in place
        return cast(Any, super()).generate(
            images, generation_config, processors, *args, encoder_outputs=encoder_outputs, **kwargs
        )

    def compute_transition_scores(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return log p of every token that `generate` wrote, as transformers computes it."""
        return cast(Any, super()).compute_transition_scores(*args, **kwargs)

    def prepare_inputs_for_generation(self, input_ids: Tensor, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Prepare the next decoding step as transformers does, and check that no token is left out.

        Raises:
            ValueError: if a cache is continued without the text that it holds.
            UnsupportedTransformersError: if this version of transformers stores previous tokens under an unknown name.
        """
        inputs = cast(Any, super()).prepare_inputs_for_generation(input_ids, *args, **kwargs)
        if kwargs.get("next_sequence_length") is None:
            # the whole text: of an assistant between its rounds, or of a text that is continued from a cache
            cached = cached_tokens(inputs.get(CACHE))
            if cached >= input_ids.shape[1]:
                raise ValueError(
                    f"`decoder_input_ids` must be the whole text to continue, of which `{CACHE}` holds {cached} "
                    f"tokens, got {input_ids.shape[1]} tokens. Give the `sequences` that came with the cache."
                )
            inputs["decoder_input_ids"] = inputs["decoder_input_ids"][:, cached:]
        check_next_tokens(inputs["decoder_input_ids"], inputs.get(CACHE), input_ids)
        return inputs

    def _ctc_processor(self, encoded: GSANetModelOutput, weight: float | None) -> list[CTCPrefixLogitsProcessor]:
        weight = float(self.config.ctc_decoding_weight if weight is None else weight)
        if not 0 <= weight < 1:
            raise ValueError(f"`ctc_weight` must lie in [0, 1), got {weight}. With 0 the decoder reads alone.")
        if self.ctc_head is None or weight == 0:
            return []
        blank, eos = self.config.pad_token_id, self.config.eos_token_id
        if not isinstance(eos, int):
            raise ValueError(
                f"`eos_token_id` of the configuration must be one token, which the CTC head predicts, got {eos}. Set "
                "it, or give `ctc_weight=0`."
            )
        logits, lengths = self.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
        return [CTCPrefixLogitsProcessor(logits, lengths, blank, eos, weight)]

    def encode(
        self,
        pixel_values: Tensor | None,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        orientation: Orientation = "any",
        pose_labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
    ) -> GSANetModelOutput:
        """Run the encoder with a prior over poses; `forward` and `generate` accept its output.

        Args:
            pixel_values: as in `forward`.
            pixel_attention_mask: (batch, patch), 0 at padding.
            spatial_shapes: (batch, 2) long, rows and columns of patches.
            orientation: "any", "upright" or {degrees counter-clockwise: probability}.
            pose_labels: (batch,) long, the element by which each image is rotated; None: the most likely one.
            output_hidden_states: also return the input and output of every layer.
            output_attentions: also return the attention probabilities of every layer. This needs "eager" attention;
                otherwise a warning is logged.

        Raises:
            ValueError: if `orientation` is not valid or rules out a labelled pose, or the images are missing.
        """
        if pixel_values is None:
            raise ValueError("`pixel_values` or `encoder_outputs` must be given, got neither.")
        bias = orientation_bias(orientation, self.encoder.group)
        if pose_labels is not None:
            check_pose_labels(pose_labels, len(pixel_values), self.encoder.group)
            check_prior(bias, pose_labels)
        return self.encoder(
            pixel_values=pixel_values,
            pixel_attention_mask=pixel_attention_mask,
            spatial_shapes=spatial_shapes,
            pose_labels=pose_labels,
            pose_bias=None if bias is None else bias.to(pixel_values.device),
            only_pose=only_pose(bias) if pose_labels is None else None,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=True,
        )

    def _for_decoder(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return further arguments under the decoder's names, without those that are None: PEFT passes such ones."""
        named = {name.removeprefix("decoder_"): value for name, value in arguments.items() if value is not None}
        known = signature(self.decoder.forward).parameters
        for name, value in named.items():
            if isinstance(value, (Cache, EncoderDecoderCache)) and name not in known:  # renamed in a later version
                raise UnsupportedTransformersError(f"`generate` passes the cache as `{name}`, not `{CACHE}`")
            if name not in known or name in RESERVED:
                raise TypeError(f"{type(self).__name__}.forward() got an unexpected keyword argument {name!r}")
        return named

    def _decode(self, encoder_outputs: GSANetModelOutput, cache: Any, **inputs: Any) -> Any:
        tokens = encoder_outputs.last_hidden_state
        if hasattr(self, "enc_to_dec_proj"):
            tokens = self.enc_to_dec_proj(tokens)
        length = (inputs["inputs_embeds"] if inputs["input_ids"] is None else inputs["input_ids"]).shape[1]
        bias = encoder_outputs["attention_mask"][:, None, None].expand(-1, 1, length, -1)  # 4-d masks are just added
        return decode(
            self.decoder,
            cache,
            encoder_hidden_states=tokens,
            encoder_attention_mask=bias,
            return_dict=True,
            **inputs,
        )

    def _losses(
        self,
        logits: Tensor,
        encoded: GSANetModelOutput,
        labels: Tensor,
        pose_labels: Tensor | None,
        label_smoothing: float,
    ) -> dict[str, Tensor]:
        """Return the total loss, its parts, and the CTC logits, by their names in the output."""
        decoder_loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), label_smoothing=label_smoothing)
        parts = {"decoder_loss": decoder_loss}
        if pose_labels is not None:
            parts["pose_loss"] = F.nll_loss(encoded["pose_logits"], pose_labels)
        if self.ctc_head is not None:
            ctc_logits, lengths = self.ctc_head(encoded.pose_hidden_state, encoded.pose_positions, encoded.pose_mask)
            parts |= {"ctc_logits": ctc_logits, "ctc_lengths": lengths}
            parts["ctc_loss"] = self.ctc_head.loss(ctc_logits, lengths, labels)
        weighted = [self.config.loss_weight(name) * parts[name] for name in LOSSES if name in parts]
        return parts | {"loss": torch.stack(weighted).sum()}
