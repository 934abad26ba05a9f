"""``python -m atlalign`` is the command `atlalign`, for where its script is not on the PATH."""

from atlalign.cli import main

if __name__ == "__main__":
    main()
