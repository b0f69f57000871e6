"""How fast ppgfast is, beside other runtimes and beside what the machine can do at all."""
