"""Templates to text: Jinja2 compiled to Arrow kernels, in Jinja2's exact semantics.

Invariant: text and errors equal those of sandboxed Jinja2 row by row, and one row's failure never affects
another row. Does not know channels, campaigns or Spark: it turns a record batch into an array of texts.
"""

from pipelines.render.coverage import Coverage, Fallback
from pipelines.render.errors import ErrorKind, RowError, TemplateError
from pipelines.render.settings import Limits, RenderContext
from pipelines.render.template import CompiledTemplate, Engine, Rendered, Wire, compile_template

__all__ = [
    "CompiledTemplate",
    "Coverage",
    "Engine",
    "ErrorKind",
    "Fallback",
    "Limits",
    "RenderContext",
    "Rendered",
    "RowError",
    "TemplateError",
    "Wire",
    "compile_template",
]
