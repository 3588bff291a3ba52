"""Watches a subject's Python from inside of its processes; see ``startup/sitecustomize.py``.

The subject is never edited: Python runs ``sitecustomize`` by itself when its folder is on ``PYTHONPATH``. What is seen
is written as JSON lines, one file per process. A subject that means to deceive can forge what is written in its own
process, so what can be seen from outside (exit status, files, the tracker's runs) is taken from there.
"""
