"""How CTranslate2 shares a machine."""

from __future__ import annotations

import ctranslate2
import pytest

from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend
from transcription.engine.ctranslate2_backend.replica import Plan, plan_for
from transcription.engine.types import EngineError


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    with pytest.raises(EngineError, match="no GPU was found: "):
        Ctranslate2Backend("cuda", 0)


@pytest.mark.parametrize(
    ("cores", "expected"), [(1, (1, 1, 1)), (2, (2, 1, 2)), (4, (4, 1, 4)), (8, (4, 2, 4)), (32, (4, 8, 4))]
)
def test_cores_are_shared_out(cores: int, expected: tuple[int, int, int]) -> None:
    assert plan_for("cpu", cores, {"int8", "float32"}, beside=True) == Plan("int8", *expected)


def test_what_a_device_cannot_multiply_is_not_planned() -> None:
    assert plan_for("cpu", 2, {"float32"}, beside=False) == Plan("float32", 2, 1, 0)
    assert plan_for("cuda", 2, {"float16", "int8"}, beside=False) == Plan("float16", 2, 1, encoders=1, urgent=1)
