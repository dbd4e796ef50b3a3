"""Who speaks when: a room without Django and without torch, on the CPU.

`process.DiarizationProcess` is the way in: it takes the sound as it is decoded and returns a `types.Diarization`.
"""
