"""Members who enrol their voices, and are named by them in new recordings (docs/voices.md).

sealing      encrypts voices
sentences    sends a sentence to a gpuworker, which has the networks, and returns what is heard in it
enrolment    checks what somebody has read, and enrols or forgets them
recognition  which speakers of a recording are enrolled
"""
