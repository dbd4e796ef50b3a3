"""What an operator trained is offered under a name of its own, or refused with the cause and the way out."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.engine.conftest import ROOT, Engine, speech
from tests.transcription.engine.model_hub import Hub, whisper_files
from tests.transcription.engine.own_models import VOCABULARY, config_of, put, safetensors, weights_of_transformers
from transcription.engine import weights
from transcription.engine.client import EngineClient
from transcription.engine.ct2_file import dimensions_of, read_variables
from transcription.engine.ctranslate2_backend.replica import Plan, load
from transcription.engine.dimensions import Dimensions
from transcription.engine.model_folder import damage
from transcription.engine.modes import transcribe
from transcription.engine.offered import Offered
from transcription.engine.own_models import layout, tokens
from transcription.engine.own_models.ensure import ensure_offered
from transcription.engine.types import MODES, DecodeOptions, EngineError, WindowRejected
from transcription.engine.weights import WeightsError, stored
from transcription.engine.whisper_vocabulary import WhisperVocabulary


def quiet(_name: str, _done: int, _total: int) -> None:
    pass


def ensure(entry: str, folder: Path) -> Path:
    return ensure_offered(Offered.parse(entry), "ctranslate2", folder, quiet)


def refusal(entry: str, folder: Path) -> str:
    with pytest.raises(WeightsError) as refused:
        ensure(entry, folder)
    assert not [path for path in folder.glob("ctranslate2/*") if path.is_dir()]
    return str(refused.value)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder that Transformers saved."""
    heads = {"generation_config.json": b'{"alignment_heads": [[0, 0], [1, 0]]}'}
    own = weights_of_transformers()
    return put(
        tmp_path / "trained",
        {"model.safetensors": safetensors(own), "config.json": config_of(own), **VOCABULARY, **heads},
    )


@pytest.fixture
def socket() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        yield str(Path(folder) / "socket")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Hugging Face."""
    with Hub().open() as hub:
        monkeypatch.setattr(weights, "HUGGING_FACE", hub.url)
        yield hub


@pytest.mark.parametrize(
    "entry", ["base=/a", "clinic=", "clinic=a/b/c", "-x=/a", "a b=/a", f"{'x' * 41}=/a", "=/a", "x=a"]
)
def test_a_name_or_a_source_that_cannot_be_meant_is_refused(entry: str) -> None:
    with pytest.raises(EngineError, match="is no model that can be offered"):
        Offered.parse(entry)


def test_sources_are_paths_and_repositories() -> None:
    assert Offered.parse("clinic = ~/clinic").path == Path.home() / "clinic"
    assert Offered.parse("clinic=./clinic").path == Path("clinic")
    revised = Offered.parse("polish=acme/whisper-small-pl@v1.2")
    assert (revised.repository, revised.revision, revised.path) == ("acme/whisper-small-pl", "v1.2", None)
    assert Offered.parse("polish=acme/whisper-small-pl").revision == "main"


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("is_split", [False, True], ids=["whole", "in parts"])
def test_a_folder_of_transformers_becomes_what_both_backends_read(
    trained: Path, cache: Path, kind: str, is_split: bool
) -> None:
    own = weights_of_transformers()
    (trained / "model.safetensors").write_bytes(safetensors(own, kind))
    if is_split:
        (trained / "model.safetensors").unlink()
        parts = {f"part{number}.safetensors": dict(list(own.items())[number::2]) for number in range(2)}
        put(trained, {name: safetensors(part, kind) for name, part in parts.items()})
        index = {"weight_map": {key: name for name, part in parts.items() for key in part}}
        (trained / "model.safetensors.index.json").write_text(json.dumps(index))
    place = ensure(f"clinic={trained}", cache)
    found = read_variables(place / "model.bin")
    queries = found["decoder/layer_1/self_attention/linear_0/weight"][:64]
    expected = own["model.decoder.layers.1.self_attn.q_proj.weight"]
    np.testing.assert_allclose(queries, expected, rtol=0.01, atol=1e-4)
    assert not found["encoder/layer_0/self_attention/linear_0/bias"][64:128].any(), "keys have no bias"
    np.testing.assert_array_equal(found["decoder/projection/weight"], found["decoder/embeddings/weight"])
    assert json.loads((place / "config.json").read_text())["alignment_heads"] == [[0, 0], [1, 0]]
    assert stored("clinic", "ctranslate2", cache) is not None
    assert not damage(place)


def test_ctranslate2_decodes_with_what_was_converted(trained: Path, cache: Path) -> None:
    whisper = load(ensure(f"clinic={trained}", cache), "cpu", Plan("float32", 1, 1))
    assert (whisper.n_mels, whisper.is_multilingual) == (80, True)


def test_torch_computes_with_what_was_converted_as_with_the_checkpoint(tmp_path: Path, cache: Path) -> None:
    """A .pt of openai-whisper, which the package writes and reads itself."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("whisper")
    from benchmarks.untrained import untrained_whisper
    from transcription.engine.torch_backend.loading import load_whisper

    whisper = untrained_whisper()
    torch.save({"dims": asdict(whisper.dims), "model_state_dict": whisper.half().state_dict()}, tmp_path / "own.pt")
    place = ensure(f"clinic={tmp_path / 'own.pt'}", cache)
    again = load_whisper("clinic", place)
    for (name, ours), theirs in zip(again.state_dict().items(), whisper.float().state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    assert load(place, "cpu", Plan("float32", 1, 1)).is_multilingual
    assert again.alignment_heads.indices().T.tolist() == [[1, 0]], "as openai-whisper has it for what it doesn't know"


def test_the_vocabulary_that_is_made_spells_as_the_published_one(base_weights: Path, cache: Path) -> None:
    place = ensure(f"clinic={base_weights}", cache)
    assert json.loads((place / "vocabulary.json").read_text()) == json.loads(
        (base_weights / "vocabulary.json").read_text()
    )
    ours, theirs = WhisperVocabulary.read(place), WhisperVocabulary.read(base_weights)
    texts = (ROOT / "locale/zh_Hans/LC_MESSAGES/django.po").read_text().splitlines()
    texts += [line for file in (ROOT / "docs").glob("*.md") for line in file.read_text().splitlines()]
    for text in [*texts, " Zażółć gęślą jaźń", "日本語", "👩‍👩‍👧 \t  x", "<|endoftext|>"]:
        assert ours.encode(text) == theirs.encode(text)
    assert (ours.suppressed, ours.languages) == (theirs.suppressed, theirs.languages)


@pytest.mark.parametrize("name", ["vocab.json", "tokenizer.json", "vocabulary.json", "vocabulary.txt"])
def test_a_vocabulary_comes_in_any_of_its_files(name: str, tmp_path: Path) -> None:
    numbers = {"!": 0, '"': 1, "": 2, "model": 3}
    content = {
        "vocab.json": json.dumps(numbers | {"<|endoftext|>": 4}),
        "tokenizer.json": json.dumps({"model": {"vocab": numbers}}),
        "vocabulary.json": json.dumps([*numbers, "<|endoftext|>"]),
        "vocabulary.txt": "\n".join([*numbers, "<|endoftext|>", ""]),
    }[name]
    put(tmp_path, {name: content.encode()})
    assert tokens.text_tokens(tmp_path, 4) == numbers
    with pytest.raises(layout.Misfit, match=rf"has 5 tokens|has 4 tokens|in its {name}"):
        tokens.text_tokens(tmp_path, 6)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mels": 64}, "hears 64 mels; Whisper's models hear 80 or 128"),
        ({"state": 96}, "has a width of 96; Whisper's are multiples of 64"),
        ({"vocabulary": 51_900}, "has 51900 tokens; Whisper's models have 51864, 51865, 51866"),
        ({"vocabulary": 51_864}, "knows English only: offer it as clinic.en"),
    ],
)
def test_dimensions_that_no_whisper_has_are_refused(
    trained: Path, cache: Path, changes: dict[str, int], reason: str
) -> None:
    own = weights_of_transformers(**changes)
    put(trained, {"model.safetensors": safetensors(own), "config.json": config_of(own)})
    assert reason in refusal(f"clinic={trained}", cache)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"config.json": b'{"model_type": "wav2vec2"}'}, "is a model of the type wav2vec2, not whisper"),
        ({"config.json": b"{"}, "has a damaged config.json"),
        ({"config.json": config_of(weights_of_transformers(), decoder_attention_heads=2)}, "has 2 attention heads"),
        ({"model.safetensors": b"\x01"}, "has a damaged model.safetensors"),
        ({"model.safetensors": safetensors(weights_of_transformers())[:-1]}, "has a damaged model.safetensors"),
        ({"vocab.json": b"{}"}, "has 0 tokens of text in its vocab.json"),
        (
            {"vocab.json": json.dumps({f"t{n}": n for n in range(50_257)}).encode()},
            "has another vocabulary than Whisper",
        ),
    ],
)
def test_a_folder_that_is_damaged_or_another_models_is_refused(
    trained: Path, cache: Path, files: dict[str, bytes], reason: str
) -> None:
    put(trained, files)
    assert reason in refusal(f"clinic={trained}", cache)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"adapter_config.json": b"{}"}, "is an adapter without its model: merge it"),
        ({"pytorch_model.bin": b""}, "pickled in pytorch_model.bin: save it as safetensors"),
        ({}, "holds neither model.bin (CTranslate2) nor model.safetensors"),
        (whisper_files("tiny"), "is no whole Whisper of 80 mels|holds no Whisper"),
    ],
)
def test_a_folder_without_usable_weights_is_refused(
    tmp_path: Path, cache: Path, files: dict[str, bytes], reason: str
) -> None:
    said = refusal(f"clinic={put(tmp_path / 'own', files)}", cache)
    assert any(part in said for part in reason.split("|"))


def test_a_source_that_is_not_there_is_named(cache: Path, tmp_path: Path) -> None:
    assert f"from {tmp_path}/none: it is not there" in refusal(f"clinic={tmp_path}/none", cache)


def test_a_file_that_is_no_checkpoint_is_refused(cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("whisper")
    put(tmp_path, {"letter.pt": b"Dear Alice,"})
    assert "is no checkpoint of openai-whisper" in refusal(f"clinic={tmp_path}/letter.pt", cache)


def test_a_model_is_made_again_when_its_source_has_changed_and_only_then(trained: Path, cache: Path) -> None:
    entry = f"clinic={trained}"
    first = (ensure(entry, cache) / "model.bin").stat().st_mtime_ns
    assert (ensure(entry, cache) / "model.bin").stat().st_mtime_ns == first
    changed = weights_of_transformers(layers=1)
    put(trained, {"model.safetensors": safetensors(changed), "config.json": config_of(changed)})
    assert dimensions_of(ensure(entry, cache) / "model.bin") == Dimensions(80, 64, 1, 1)


def test_a_model_is_served_while_its_source_is_away(trained: Path, cache: Path) -> None:
    place = ensure(f"clinic={trained}", cache)
    trained.rename(trained.with_name("away"))
    assert ensure(f"clinic={trained}", cache) == place
    (place / "model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match="it is not there"):
        ensure(f"clinic={trained}", cache)


def test_a_hubs_repository_is_fetched_once(hub: Hub, cache: Path, trained: Path) -> None:
    hub.put_repository("acme/whisper-pl", {file.name: file.read_bytes() for file in trained.iterdir()}, "v1")
    place = ensure("polish=acme/whisper-pl@v1", cache)
    served = len(hub.served)
    assert ensure("polish=acme/whisper-pl@v1", cache) == place
    assert len(hub.served) == served
    assert not [file for file in place.iterdir() if file.suffix in (".part", ".safetensors")]
    with pytest.raises(WeightsError, match="Not Found"):
        ensure("polish=acme/whisper-pl", cache)


def test_a_fetch_that_broke_goes_on_where_it_was(hub: Hub, cache: Path, trained: Path) -> None:
    files = {file.name: file.read_bytes() for file in trained.iterdir()}
    hub.put_repository("acme/whisper-pl", files)
    hub.breaks_after = 1_000_000
    ensure("polish=acme/whisper-pl", cache)
    assert [begin for begin in hub.starts("model.safetensors") if begin]


def test_a_mirror_has_what_the_hub_has_not(hub: Hub, cache: Path, trained: Path) -> None:
    with Hub().open() as mirror:
        mirror.put_repository("acme/whisper-pl", {file.name: file.read_bytes() for file in trained.iterdir()})
        offered = Offered.parse("polish=acme/whisper-pl")
        assert not damage(ensure_offered(offered, "torch", cache, quiet, [mirror.url]))


@pytest.mark.parametrize("backend", ["ctranslate2", "torch"])
def test_base_under_another_name_hears_the_fox_with_its_words(
    base_weights: Path, cache: Path, fox: bytes, socket: str, backend: str
) -> None:
    """From a folder whose configuration names heads that it lacks, with which CTranslate2 ends the process."""
    if backend == "torch":
        pytest.importorskip("whisper")
    own = put(cache / "own", {file.name: file.read_bytes() for file in base_weights.iterdir()})
    for name in ("SHA256SUMS", "tokenizer.json"):
        (own / name).unlink()
    config = json.loads((own / "config.json").read_text())
    (own / "config.json").write_text(json.dumps(config | {"alignment_heads": [[25, 6]]}))
    engine = Engine(socket, cache, backend, f"clinic={own}")
    try:
        client = EngineClient(socket)
        for mode in MODES:
            (result,) = transcribe(client, [fox], DecodeOptions("clinic", word_timestamps=True), mode)
            assert result.model_version.startswith("clinic ")
            assert "quick brown fox" in result.segments[0].text.lower()
            assert [word.word for word in result.segments[0].words][:2] == [" The", " quick"]
        assert (client.mels("clinic"), client.status().models) == (80, ("clinic",))
        with pytest.raises(WindowRejected, match="does not serve the model 'polish'"):
            client.mels("polish")
    finally:
        engine.stop()


def test_a_model_that_is_offered_as_english_only_hears_english_only(untrained: Path, cache: Path, socket: str) -> None:
    engine = Engine(socket, cache, "ctranslate2", f"clinic.en={untrained}")
    try:
        client = EngineClient(socket)
        (result,) = transcribe(client, [speech("zh/pangrama")], DecodeOptions("clinic.en"), "exact")
        assert result.language == "en"
        with pytest.raises(WindowRejected, match="does not know the language 'zh'"):
            list(transcribe(client, [speech("zh/pangrama")], DecodeOptions("clinic.en", language="zh"), "exact"))
    finally:
        engine.stop()
