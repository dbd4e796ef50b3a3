"""Turns a Whisper in any of the forms in which it is published into a folder in CTranslate2's."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from transcription.engine import alignment_heads
from transcription.engine.dimensions import Dimensions
from transcription.engine.download import Progress
from transcription.engine.languages import LANGUAGES
from transcription.engine.model_folder import CONFIG, MODEL, SUMS, noted, sha256
from transcription.engine.own_models import tokens
from transcription.engine.own_models.layout import ENGLISH_ONLY, Layout, Misfit, check, layout_of
from transcription.engine.own_models.model_file import write_model
from transcription.engine.own_models.safetensors_file import Tensor, read_safetensors

GENERATION = "generation_config.json"
WHOLE, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_config.json"
PICKLED = "pytorch_model.bin"

Copy = Callable[[Path, Path, Callable[[int, int], None]], object]
"""Copies or moves a file, reporting the bytes done and all bytes."""


def convert(given: Path, place: Path, name: str, copy: Copy, progress: Progress) -> None:
    """Puts the model in a file or folder into the folder `place`, in CTranslate2's form.

    name: under which it is to be offered. copy: how the weights get there where they have that form already.
    Raises Misfit, with the cause and the way out; OSError.
    """
    if given.is_file():
        layout = _from_openai(given, place, name, progress)
    elif (given / MODEL).is_file():
        layout = _from_ctranslate2(given, place, name, copy, progress)
    elif (given / WHOLE).is_file() or (given / INDEX).is_file():
        layout = _from_transformers(given, place, name, progress)
    else:
        raise Misfit(_missing(given))
    alignment_heads.correct(place, layout.dimensions)


def shards_of(index: Path) -> list[str]:
    """Returns the names of the files that a model is split into. Raises Misfit."""
    names = set(_json(index).get("weight_map", {}).values())
    if not names or any(Path(name).name != name for name in names):
        raise Misfit(f"has a damaged {index.name}: copy it again")
    return sorted(names)


def _missing(given: Path) -> str:
    if not given.exists():
        return "is not there: check the path, and whether the engine's user may read it"
    if (given / ADAPTER).is_file():
        return "is an adapter without its model: merge it (merge_and_unload()), and save the result"
    if (given / PICKLED).is_file():
        return f"has its weights pickled in {PICKLED}: save it as safetensors (save_pretrained of Transformers does)"
    return f"holds neither {MODEL} (CTranslate2) nor {WHOLE} (Hugging Face): name the folder that does"


def _from_ctranslate2(given: Path, place: Path, name: str, copy: Copy, progress: Progress) -> Layout:
    layout = layout_of(given / MODEL, name)
    _json(given / CONFIG)
    if changed := [file for file, value in noted(given).items() if sha256(given / file) != value]:
        raise Misfit(f"has another {', '.join(changed)} than its {SUMS} says: copy it again")
    copy(given / MODEL, place / MODEL, partial(progress, MODEL))
    (place / CONFIG).write_bytes((given / CONFIG).read_bytes())
    _write_vocabulary(given, place, layout)
    return layout


def _from_transformers(given: Path, place: Path, name: str, progress: Progress) -> Layout:
    config = _json(given / CONFIG)
    if (kind := config.get("model_type")) != "whisper":
        raise Misfit(f"is a model of the type {kind}, not whisper: other kinds of models are not run here")
    files = [WHOLE] if (given / WHOLE).is_file() else shards_of(given / INDEX)
    if missing := [file for file in files if not (given / file).is_file()]:
        raise Misfit(f"lacks {', '.join(missing)}: copy it again")
    stored = read_safetensors(given / file for file in files)
    tensors = {key.removeprefix("model."): tensor for key, tensor in stored.items()}
    layout = _layout_of(tensors, name)
    for half in ("encoder", "decoder"):
        if (heads := config.get(f"{half}_attention_heads")) != layout.dimensions.heads:
            raise Misfit(
                f"has {heads} attention heads in its {half}; a Whisper this wide has {layout.dimensions.heads}"
            )
    _write_vocabulary(given, place, layout)
    generation = _json(given / GENERATION) if (given / GENERATION).is_file() else {}
    _write(place, layout, tensors, generation.get("alignment_heads"), progress)
    return layout


def _from_openai(given: Path, place: Path, name: str, progress: Progress) -> Layout:
    if importlib.util.find_spec("whisper") is None:
        raise Misfit(
            "is read by torch and openai-whisper: install requirements/torch.txt, or convert it to a folder elsewhere"
        )
    from transcription.engine.torch_backend import checkpoint

    try:
        tensors = checkpoint.read(given)
    except checkpoint.NoCheckpoint as error:
        raise Misfit(f"is no checkpoint of openai-whisper ({error}): save {{dims, model_state_dict}} again") from error
    layout = _layout_of(tensors, name)
    numbers = checkpoint.text_tokens(layout.tokens > ENGLISH_ONLY, tokens.letters_of_bytes())
    tokens.write_vocabulary(place, numbers, layout.tokens)
    _write(place, layout, tensors, None, progress)
    return layout


def _layout_of(tensors: Mapping[str, Tensor], name: str) -> Layout:
    """Raises Misfit."""

    def shape(key: str, rank: int) -> tuple[int, ...]:
        tensor = tensors.get(key)
        if tensor is None or len(tensor.shape) != rank:
            raise Misfit(f"is no Whisper: it has no {key}")
        return tensor.shape

    state, n_mels, _ = shape("encoder.conv1.weight", 3)
    layers = {tuple(key.split(".")[:3]) for key in tensors if ".layers." in key}
    counts = [sum(layer[0] == half for layer in layers) for half in ("encoder", "decoder")]
    layout = Layout(Dimensions(n_mels, state, *counts), shape("decoder.embed_tokens.weight", 2)[0])
    check(layout, name)
    return layout


def _write(place: Path, layout: Layout, tensors: Mapping[str, Tensor], named_heads: object, progress: Progress) -> None:
    """Writes model.bin and its config.json. Raises Misfit."""
    write_model(place / MODEL, layout, tensors, partial(progress, MODEL))
    special = tokens.special_tokens(layout.tokens)
    text = layout.tokens - len(special)
    languages = [number for number, token in enumerate(special, text) if token[2:-2] in LANGUAGES]
    config = {
        "alignment_heads": alignment_heads.heads_or_default(named_heads, layout.dimensions),
        "lang_ids": languages,
        "suppress_ids": [],
        "suppress_ids_begin": [_space(place), text],
    }
    (place / CONFIG).write_text(json.dumps(config), encoding="utf-8")


def _space(place: Path) -> int:
    """Returns the token of a space, which no text begins with."""
    every: list[str] = json.loads((place / "vocabulary.json").read_text(encoding="utf-8"))
    return every.index(tokens.letters_of_bytes()[ord(" ")])


def _write_vocabulary(given: Path, place: Path, layout: Layout) -> None:
    count = layout.tokens - len(tokens.special_tokens(layout.tokens))
    tokens.write_vocabulary(place, tokens.text_tokens(given, count), layout.tokens)


def _json(file: Path) -> dict[str, Any]:
    """Raises Misfit where it is missing or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misfit(f"lacks {file.name}: copy the whole folder") from None
    except ValueError as error:
        raise Misfit(f"has a damaged {file.name} ({error}): copy it again") from error
    if not isinstance(found, dict):
        raise Misfit(f"has a damaged {file.name}: copy it again")
    return found
