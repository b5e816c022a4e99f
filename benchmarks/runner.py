"""One command for all programs in a folder: `python -m FOLDER NAME [options]`.

There is no list of the programs. Every module with a function `main` is a program, and the first line of its docstring
is its description.
"""

import ast
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]


def programs(folder: str) -> dict[str, str]:
    """Return the programs in a folder of this project: a dictionary from name to description."""
    found = {}
    for path in sorted((ROOT / folder).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def run(folder: str, words: Sequence[str]) -> None:
    """Run a program of a folder, or list them all.

    Args:
        folder: name of a folder of this project.
        words: arguments of the command line: the name of a program, and its options.
    """
    found = programs(folder)
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, found))
        print(f"python -m {folder} NAME [options], where NAME is one of\n")
        print("\n".join(f"  {name:{width}}  {description}" for name, description in found.items()))
        return
    name, *options = words
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"`python -m {folder}` lists them."
        sys.exit(f"error: there is no program `{name}`. {hint}")
    sys.argv = [f"python -m {folder} {name}", *options]
    try:
        import_module(f"{folder}.{name}").main()
    except (ValueError, FileNotFoundError) as error:
        if isinstance(error, ValueError) and not str(error).startswith("`"):
            raise  # not a message about bad input, but a fault of the program
        sys.exit(f"error: {error}")
