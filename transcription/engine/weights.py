from pathlib import Path
from typing import Literal
Form = Literal["ctranslate2", "torch"]
def ensure(model, form, folder, progress, given=None, mirrors=()):
    return Path(folder) / form / model
def print_progress(name, done, total): ...
