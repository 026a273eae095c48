"""`flask errors`: write the catalogue of errors to a file."""

import click
from flask.cli import AppGroup

from app.commands.output import failing_in_one_line
from app.http.problems import catalogue
from app.ops.docs import meaning

errors = AppGroup("errors", help="The catalogue of errors.")


@errors.command("write")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@failing_in_one_line
def write_errors(file: str) -> None:
    """Write the catalogue to FILE as Markdown.

    \b
    Example:
      flask errors write docs/errors.md
    """
    with click.open_file(file, "w") as output:
        output.write("# Errors\n")
        output.write("Every error is `application/problem+json` (RFC 9457). Programs should use `code`.\n")
        for problem in catalogue():
            output.write(f"\n## {problem.code}\n{problem.status} · {meaning(problem)}\n\nFix: {problem.detail}\n")
