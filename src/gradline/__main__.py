"""``python -m gradline``: the same as the ``gradline`` command."""

from gradline.cli import main

if __name__ == "__main__":
    main()
