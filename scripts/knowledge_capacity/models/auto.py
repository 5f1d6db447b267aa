"""Importing this module lets transformers load the runs that it has no class of its own for.

These are GPT-2 with experts; AutoModelForCausalLM.from_pretrained then takes their folders as all others.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from ..specs import Architecture, parse_architecture
from . import interchange, store
from .decoder import Decoder


class DecoderConfig(PretrainedConfig):
    """The config.json of such a run."""

    model_type = interchange.OWN
    architecture: dict[str, Any] | None = None


class DecoderForCausalLM(PreTrainedModel, GenerationMixin):
    """The study's decoder as transformers calls its models."""

    config_class = DecoderConfig

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        spec = parse_architecture(config.architecture or {})
        assert isinstance(spec, Architecture)
        self.decoder = Decoder(spec, config.vocab_size, config.max_position_embeddings)
        self.decoder.initialise(torch.default_generator)
        self.post_init()

    @classmethod
    def from_pretrained(  # type: ignore[override]  # it reads a folder, and nothing else
        cls, folder: str | Path, *_: Any, **__: Any
    ) -> "DecoderForCausalLM":
        """The model in a run's folder, in float32."""
        config = DecoderConfig(**json.loads((Path(folder) / "config.json").read_text()))
        model = cls(config)
        weights = store.read_weights(Path(folder) / "model.safetensors")
        model.decoder.load_state_dict(interchange.import_weights(model.decoder.architecture, weights))
        return model.eval()

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> dict[str, Tensor | None]:
        """Every token so far, since this decoder keeps no cache of keys and values."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any) -> CausalLMOutput:
        """Token ids (batch, window) → logits (batch, window, vocabulary), zero where a text is filled up.

        With an attention mask, each text is read by itself: those of a batch share the room of experts.
        """
        if attention_mask is None:
            return CausalLMOutput(logits=self.decoder(input_ids))
        logits: Any = torch.zeros(*input_ids.shape, self.config.vocab_size, device=input_ids.device)
        for text, own, found in zip(input_ids, attention_mask.bool(), logits, strict=True):
            found[own] = self.decoder(text[own][None])[0].float()
        return CausalLMOutput(logits=logits)


AutoConfig.register(interchange.OWN, DecoderConfig)
AutoModelForCausalLM.register(DecoderConfig, DecoderForCausalLM)
