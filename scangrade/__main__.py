"""``python -m scangrade`` is the command ``scangrade``."""

from scangrade.cli import main

if __name__ == "__main__":
    main(prog_name="scangrade")
