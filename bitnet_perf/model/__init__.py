"""Models: files, hyper-parameters, tokens, the engine and what it generates."""
