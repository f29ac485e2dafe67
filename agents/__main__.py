"""`python -m agents` is `mbrl-dae`, where the program is not on the path."""

from agents.commands.program import main

if __name__ == "__main__":
    main()
