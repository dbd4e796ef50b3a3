"""The proof that three hosts outlive each other: `python -m tests.hosts`, or `make hosts`.

Each host is a network namespace with processes of the product, nginx, Valkey, Sentinel, PostgreSQL, an S3 server and
Prometheus; a bridge joins them, and links are cut. Everything of the product is real; only the model is not.
"""
