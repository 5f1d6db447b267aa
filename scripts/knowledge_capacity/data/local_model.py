"""A language model in a folder, run here with transformers."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..files import UserError
from ..quiet import suppress_warnings
from .endpoint import Endpoint
from .llm import Ask, Request
from .replies import Answer

CACHE_ERROR = 0.05  # of the range of logits; rounding in bf16 reaches a tenth of it


def load_model(folder: str) -> tuple[Any, Any]:
    """The tokenizer and the model in a folder, ready to write."""
    with suppress_warnings():  # of GPU kernels that are not there, and other libraries' future versions
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        tokens = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return tokens, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def check_cache(model: Any, folder: str, prefix: Tensor) -> None:
    """Raise UserError for a model that does not read a text in two parts, and in copies, as it reads it at once.

    Models with a recurrent state often do not. prefix: a text, int64 (1, n).
    """
    whole = model(prefix).logits[0, -1].float()
    half = prefix.shape[1] // 2
    try:
        state = model(prefix[:, :half], use_cache=True).past_key_values
        state.batch_repeat_interleave(2)
        rest = prefix[:, half:].expand(2, -1)
        parts = model(rest, past_key_values=state, use_cache=True).logits[:, -1].float()
        state.batch_select_indices(torch.tensor([0], device=prefix.device))
        off = float((parts - whole).abs().max() / (whole.max() - whole.min()))
        reason = f"in two parts, its logits differ by {off:.0%} of their range"
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        off, reason = 1.0, f"{type(error).__name__}: {error}"
    if not off <= CACHE_ERROR:
        raise UserError(
            f"{folder}: this {type(model).__name__} cannot be guided, since it cannot read a text in parts ({reason}). "
            "Take a model with attention alone, or leave guided out."
        )


def make_local_requester(settings: Endpoint, folder: str, temperature: float, seed: int) -> Ask:
    """Run the model in a folder with transformers, `concurrency` texts at a time."""
    tokens, model = load_model(folder)
    tokens.pad_token = tokens.pad_token or tokens.eos_token
    told = model.generation_config.eos_token_id
    ends = {tokens.eos_token_id, *(told if isinstance(told, list) else [told])} - {None}

    def ask(requests: list[Request]) -> Iterator[tuple[Request, Answer]]:
        for start in range(0, len(requests), settings.concurrency):
            batch = requests[start : start + settings.concurrency]
            texts: Any = [request.prompt for request in batch]
            if tokens.chat_template:  # which has its own special tokens
                turns = [[{"role": "user", "content": text}] for text in texts]
                texts = tokens.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            inputs = tokens(
                texts,
                return_tensors="pt",
                padding=True,
                return_token_type_ids=False,
                add_special_tokens=not tokens.chat_template,
            )
            torch.manual_seed(hash((seed, batch[0].person, batch[0].rewrite, batch[0].attempt)) % 2**31)
            sampling = (
                {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
            )
            with torch.no_grad():
                written = model.generate(
                    **inputs.to(model.device), max_new_tokens=settings.max_tokens, **sampling
                )[:, inputs["input_ids"].shape[1] :]
            for request, row in zip(batch, written, strict=True):
                cut_off = not ends & set(row.tolist())
                n_in, n_out = (
                    len(tokens(request.prompt)["input_ids"]),
                    int((row != tokens.pad_token_id).sum()),
                )
                text = str(tokens.decode(row, skip_special_tokens=True))
                yield request, Answer(text, cut_off, n_in, n_out)

    return ask
