"""`python -m ppgfast` is `ppgfast`."""

from ppgfast.cli import main

main()
