"""The CUDA path of the torch backend, proved without a GPU."""
