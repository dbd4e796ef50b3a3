from tests.transcription.exchange.conftest import bucket, folder, root, s3, s3_address

__all__ = ["bucket", "folder", "root", "s3", "s3_address"]
