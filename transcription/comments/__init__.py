"""Comments and highlights on passages of a recording, their replies, and who is mentioned in them.

A passage is seconds of the recording, so that it stays with its words when lines are divided, merged or corrected, and
in another transcription of the recording; where the times of words are changed, it moves with them (`passages`).
"""
