"""Speech to text in a process of its own: windows of audio in, timed text out.

A leaf of the project: it imports neither Django nor any other room of the engine.
Reading order: types, audio, vad, windows, wire, client; then server, request_queue, scheduler,
backend, fallback, segments and the backends; weights and catalogue stand by themselves.
"""
