"""Networks that outlive their process: model files, pickles, and files that are written whole or not at all."""
