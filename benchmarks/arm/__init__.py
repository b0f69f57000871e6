"""What the kernels cost on 64-bit ARM, in numbers that need no ARM machine and are the same in every run."""
