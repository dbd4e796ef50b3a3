"""The backend on OpenVINO, for CPUs: its graphs are built of CTranslate2's weights, and it is called with batches."""

import sys

# Importing openvino reports to Google Analytics where this package, which it does without, is installed.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
