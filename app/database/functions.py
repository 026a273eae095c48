"""The base of SQL functions that are written differently for each engine."""

from typing import Any, ClassVar, TypeVar

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Value = TypeVar("Value")


class FunctionPerEngine(FunctionElement[Value]):
    """A function with a type, and with its SQL on each engine, in which {0} is the first argument."""

    on_postgresql: ClassVar[str]
    on_sqlite: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # SQLAlchemy reads it from each class itself, not from its base.
        cls.inherit_cache = True


@compiles(FunctionPerEngine)
def _written(element: FunctionPerEngine[Any], compiler: SQLCompiler, **options: Any) -> str:
    written = element.on_sqlite if compiler.dialect.name == "sqlite" else element.on_postgresql
    return written.format(*(compiler.process(clause, **options) for clause in element.clauses))
