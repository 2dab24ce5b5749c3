"""`python -m keras_equivariant`, the command line."""

import sys

from keras_equivariant.training.cli import main

if __name__ == "__main__":
    sys.exit(main())
