"""The proof that a crash costs nothing but seconds: `python -m tests.chaos`, or `make chaos`.

Everything of the product is real; only the model is not, and the kills are ours.
"""
