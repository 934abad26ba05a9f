"""What `benchmark_accuracy.py` consists of: the methods, the measures, and a module for each part."""
