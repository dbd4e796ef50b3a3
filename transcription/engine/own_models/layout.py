"""What a CTranslate2 model file must hold to be a Whisper that our backends run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from transcription.engine.ct2_file import Unreadable, dimensions_of, stored_in
from transcription.engine.dimensions import HEAD_WIDTH, Dimensions

Shape = tuple[int, ...]

MELS = (80, 128)
VOCABULARIES = (51_864, 51_865, 51_866)
"""Tokens of a model that knows English alone, of a multilingual one, and of one like large-v3, with Cantonese."""
ENGLISH_ONLY = VOCABULARIES[0]
AUDIO_POSITIONS, TEXT_POSITIONS = 1500, 448
KERNEL = 3


class Misfit(Exception):
    """Weights that cannot be offered, with the cause and the way out."""


@dataclass(frozen=True, slots=True)
class Layout:
    dimensions: Dimensions
    tokens: int


def layout_of(model: Path, name: str) -> Layout:
    """Returns the layout of a model file that is to be offered under a name. Raises Misfit."""
    try:
        shapes = {variable: stored.shape for variable, stored in stored_in(model).items()}
        dimensions = dimensions_of(model)
    except Unreadable as error:
        raise Misfit(f"{error}: copy it again") from error
    embedding = shapes.get("decoder/embeddings/weight", ())
    if dimensions is None or len(embedding) != 2:
        raise Misfit("holds no Whisper in CTranslate2's format 6: convert it with CTranslate2 4 or later")
    layout = Layout(dimensions, embedding[0])
    check(layout, name)
    for variable, shape in expected_shapes(layout).items():
        if shapes.get(variable) != shape:
            found = shapes.get(variable, "missing")
            raise Misfit(f"is no whole Whisper of {dimensions}: {variable} is {found}, not {shape}; convert it again")
    return layout


def check(layout: Layout, name: str) -> None:
    """Raises Misfit for dimensions that no Whisper has, or a name that promises languages it doesn't know."""
    found = layout.dimensions
    if found.n_mels not in MELS:
        raise Misfit(f"hears {found.n_mels} mels; Whisper's models hear 80 or 128: name a model trained from one")
    if found.state % HEAD_WIDTH:
        raise Misfit(f"has a width of {found.state}; Whisper's are multiples of {HEAD_WIDTH}")
    if not (found.audio_layers and found.text_layers):
        raise Misfit(f"has {found.audio_layers} encoder and {found.text_layers} decoder layers; convert it again")
    if layout.tokens not in VOCABULARIES:
        known = ", ".join(map(str, VOCABULARIES))
        raise Misfit(
            f"has {layout.tokens} tokens; Whisper's models have {known}: train one without adding or removing tokens"
        )
    if layout.tokens == ENGLISH_ONLY and not name.endswith(".en"):
        raise Misfit(f"knows English only: offer it as {name}.en, so that nobody asks it for another language")


def expected_shapes(layout: Layout) -> Mapping[str, Shape]:
    """Returns the shape of every weight by its name in CTranslate2's form."""
    own = layout.dimensions
    shapes: dict[str, Shape] = {
        "encoder/conv1/weight": (own.state, own.n_mels, KERNEL),
        "encoder/conv1/bias": (own.state,),
        "encoder/conv2/weight": (own.state, own.state, KERNEL),
        "encoder/conv2/bias": (own.state,),
        "encoder/position_encodings/encodings": (AUDIO_POSITIONS, own.state),
        "decoder/position_encodings/encodings": (TEXT_POSITIONS, own.state),
        "decoder/embeddings/weight": (layout.tokens, own.state),
    }
    for half, layers in (("encoder", own.audio_layers), ("decoder", own.text_layers)):
        shapes |= _norm(f"{half}/layer_norm", own.state)
        for number in range(layers):
            shapes |= _layer(f"{half}/layer_{number}", own.state, is_decoder=half == "decoder")
    return shapes


def _layer(prefix: str, state: int, is_decoder: bool) -> dict[str, Shape]:
    products = {"self_attention": (3, 1)} | ({"attention": (1, 2, 1)} if is_decoder else {})
    shapes = _norm(f"{prefix}/ffn/layer_norm", state)
    shapes |= _linear(f"{prefix}/ffn/linear_0", 4 * state, state) | _linear(f"{prefix}/ffn/linear_1", state, 4 * state)
    for attention, widths in products.items():
        shapes |= _norm(f"{prefix}/{attention}/layer_norm", state)
        for number, width in enumerate(widths):
            shapes |= _linear(f"{prefix}/{attention}/linear_{number}", width * state, state)
    return shapes


def _linear(prefix: str, outputs: int, inputs: int) -> dict[str, Shape]:
    return {f"{prefix}/weight": (outputs, inputs), f"{prefix}/bias": (outputs,)}


def _norm(prefix: str, state: int) -> dict[str, Shape]:
    return {f"{prefix}/gamma": (state,), f"{prefix}/beta": (state,)}
