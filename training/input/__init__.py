"""From images of a data set to batches for a network."""
