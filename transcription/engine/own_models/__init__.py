"""An operator's own models: a Whisper that was trained further, from a file, a folder or a hub repository.

Whatever its form, it is checked and stored in CTranslate2's, which all backends read.
"""
