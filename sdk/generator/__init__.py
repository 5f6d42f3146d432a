"""The parts of `sdk/generate`: a model of the API, and one writer for each language."""
