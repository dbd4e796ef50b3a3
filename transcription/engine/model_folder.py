"""A folder with a model in CTranslate2's form: what belongs into it, and whether it is whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transcription.engine.ct2_file import ends_early

SUMS = "SHA256SUMS"
ORIGIN = "ORIGIN"
"""Names what an operator's own model was made of."""

MODEL, CONFIG, TOKENIZER = NEEDED = ("model.bin", "config.json", "tokenizer.json")
TAKEN = (*NEEDED, "vocabulary.json", "vocabulary.txt")


def sha256(file: Path) -> str:
    """Returns the file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def damage(folder: Path) -> str:
    """Says what is wrong with a folder; "" if every file is there and has the SHA-256 noted when it was fetched.

    A folder that somebody else put there has no notes: then the model's file must not end early.
    """
    missing = [name for name in {**dict.fromkeys(NEEDED), **noted(folder)} if not (folder / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    if ends_early(folder / MODEL):
        return f"{MODEL} is cut off"
    wrong = [name for name, value in noted(folder).items() if sha256(folder / name) != value]
    return f"{', '.join(wrong)} changed since it was fetched" if wrong else ""


def looks_whole(folder: Path) -> bool:
    sizes = _noted_sizes(folder)
    return (
        all((folder / name).is_file() for name in (*NEEDED, *noted(folder)))
        and all((folder / name).stat().st_size == size for name, size in sizes.items())
        and not ends_early(folder / MODEL)
    )


def noted(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file that was fetched into a folder, by its name."""
    return {name: value for value, name in (line.split("  ", 1) for line in _notes(folder) if "  " in line)}


def _noted_sizes(folder: Path) -> dict[str, int]:
    """Returns the size of each file in bytes, from comments that `sha256sum --check` passes over."""
    words = (line.split() for line in _notes(folder) if line.startswith("# "))
    return {name: int(size) for _, name, size, _ in words}


def _notes(folder: Path) -> list[str]:
    sums = folder / SUMS
    return sums.read_text().splitlines() if sums.is_file() else []


def note(folder: Path) -> None:
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != SUMS)
    sizes = [f"# {file.name} {file.stat().st_size} bytes\n" for file in files]
    sums = [f"{sha256(file)}  {file.name}\n" for file in files]
    (folder / SUMS).write_text("".join((*sizes, *sums)))
