"""Demonstrations of single concepts of the lectures: each a small experiment, a picture and two sentences.

A module here answers one question. Its ``run(data, out, *, seed)`` is what ``minidl demo NAME`` calls: it
measures, writes ``NAME.png`` and ``NAME.json``, and returns a table and two sentences, which are put together
from the numbers just measured. The test set stays in its vault throughout; where accuracies are spoken of,
they are those of validation images.
"""
