"""`python -m pansophy` does what the `pansophy` command does."""

from pansophy.cli.main import main

if __name__ == "__main__":
    main()
