"""Files of models for other runtimes."""
