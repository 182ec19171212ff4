"""A verifier for outsiders: `amas_verify.py` needs Python, `cryptography` and nothing of this project.

`amas audit verifier` prints it. It must never import anything of ours.
"""
