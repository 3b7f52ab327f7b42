"""Array kernels: convolutions that are fast on a CPU, elimination over tables."""
