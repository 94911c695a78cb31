"""Generates templates and typed rows: the grammar of the differential tests.

All choices come from one `random.Random`, whose seed hypothesis draws: a failure is named by two numbers.
"""

# ruff: noqa: E501 - the pieces of the grammar read best one a line
from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from random import Random
from typing import Any

import pyarrow as pa

LINE = pa.struct([("sku", pa.string()), ("n", pa.int64())])
ORDER = pa.struct(
    [
        ("id", pa.string()),
        ("total", pa.float64()),
        ("qty", pa.int64()),
        ("paid", pa.bool_()),
        ("lines", pa.list_(LINE)),
    ]
)
ADDRESS = pa.struct(
    [("city", pa.string()), ("zip", pa.string()), ("geo", pa.struct([("lat", pa.float64())]))]
)
CUSTOMER = pa.struct(
    [
        ("first", pa.string()), ("last", pa.string()), ("age", pa.int64()), ("score", pa.float64()),
        ("vip", pa.bool_()), ("balance", pa.decimal128(12, 2)), ("birth", pa.date32()),
        ("seen", pa.timestamp("us", "UTC")), ("tags", pa.list_(pa.string())), ("nums", pa.list_(pa.int64())),
        ("address", ADDRESS), ("orders", pa.list_(ORDER)),
    ]
)  # fmt: skip
SCHEMA = pa.schema([("customer", CUSTOMER), ("n", pa.int32()), ("s", pa.large_string()), ("d", pa.float32())])

TEXTS = (
    "", "a", "Ada", "O'Neill", 'say "hi"', "<b>&amp;</b>", "{{ customer }}", "{% raw %}", "Zoë", "straße", "İstanbul",
    "日本語", "👩‍👧‍👦", "\u202eright", "tab\there", "line\nbreak", "nul\x00l", "\x1f", "  spaced  ", "\u00a0nbsp\u2003",
    "UPPER", "MiXed case-word (x)", "12", " 7 ", "-3.5", "1e3", "x" * 40, "back\\slash", "%s %d", "ǆ", "ΑΣ", "vip",
)  # fmt: skip
INTS = (0, 1, 2, 3, 5, -1, -7, 10, 100, 2**31, 2**53 + 1, 2**62, 2**63 - 1, -(2**63))
FLOATS = (
    0.0,
    -0.0,
    1.0,
    0.1,
    2.5,
    -2.5,
    3.14159,
    1e15,
    1e16,
    123456789.125,
    1e-5,
    1e-4,
    1e300,
    5e-324,
    99.99,
    0.5,
)
ODD_FLOATS = (float("nan"), float("inf"), float("-inf"))


def _maybe(r: Random, value: Any, nulls: float) -> Any:
    return None if r.random() < nulls else value


def value_of(r: Random, arrow: pa.DataType, nulls: float) -> Any:
    """A value of an Arrow type."""
    if nulls and r.random() < nulls:
        return None
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow):
        return r.choice(TEXTS)
    if arrow == pa.int32():
        return r.choice([i for i in INTS if abs(i) < 2**31])
    if pa.types.is_integer(arrow):
        return r.choice(INTS[:9]) if r.random() < 0.9 else r.choice(INTS)
    if arrow == pa.float32():
        return r.choice((0.0, 1.5, 0.1, -2.0, 3e20))
    if pa.types.is_floating(arrow):
        return r.choice(FLOATS) if r.random() < 0.95 else r.choice(ODD_FLOATS)
    if pa.types.is_boolean(arrow):
        return r.random() < 0.5
    if pa.types.is_decimal(arrow):
        return decimal.Decimal(r.choice((0, 1, 150, 99999, -250, 1234567))).scaleb(-2)
    if pa.types.is_date(arrow):
        return dt.date(r.choice((1, 1970, 1999, 2024)), r.randint(1, 12), r.randint(1, 28))
    if pa.types.is_timestamp(arrow):
        micros = r.choice((0, 5, 123456, 500000))
        return dt.datetime(
            r.choice((1969, 2024)), r.randint(1, 12), r.randint(1, 28), 13, 5, 59, micros, dt.timezone.utc
        )
    if pa.types.is_list(arrow):
        return [value_of(r, arrow.value_type, nulls) for _ in range(r.choice((0, 0, 1, 2, 3)))]
    assert pa.types.is_struct(arrow)
    return {f.name: value_of(r, f.type, nulls) for f in arrow}


def batch_of(r: Random, rows: int | None = None) -> pa.RecordBatch:
    """A batch of typed rows, at times a slice of a larger one."""
    nulls = r.choice((0.0, 0.0, 0.1, 0.3))
    count = rows if rows is not None else r.randint(1, 6)
    skip = r.choice((0, 0, 1, 2))
    made = [{f.name: value_of(r, f.type, nulls) for f in SCHEMA} for _ in range(count + skip)]
    return pa.RecordBatch.from_pylist(made, schema=SCHEMA).slice(skip)


class Author:
    """Writes templates; knows which loop variables are in reach."""

    def __init__(self, r: Random, budget: int) -> None:
        self.r = r
        self.orders: list[str] = []
        self.lines: list[str] = []
        self.texts: list[str] = []
        self.ints: list[str] = []
        self.loops = 0
        self.macros: list[str] = []
        self.count = 0
        self.budget = budget

    def name(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def pick(self, *choices: str | Callable[[], str]) -> str:
        chosen = self.r.choice(choices)
        return chosen if isinstance(chosen, str) else chosen()

    def deep(self) -> bool:
        self.budget -= 1
        return self.budget > 0 and self.r.random() < 0.7

    def literal(self) -> str:
        return self.pick("'a'", "''", "'<i>'", "'O\\'Neill'", '"q\\"q"', "'é👍'", "'vip'", "'12'", "'a\\nb'")

    def path_text(self) -> str:
        paths = [
            "customer.first",
            "customer.last",
            "customer.address.city",
            "customer['first']",
            "s",
            "customer.address.zip",
        ]
        paths += [f"{o}.id" for o in self.orders] + [f"{x}.sku" for x in self.lines] + self.texts
        if self.r.random() < 0.04:
            return self.pick("customer.nope", "nope", "customer.nope.deeper", "customer.first.nope")
        return self.r.choice(paths)

    def text(self) -> str:
        if not self.deep():
            return self.pick(self.path_text, self.path_text, self.literal)
        filters = (
            "upper", "lower", "title", "capitalize", "trim", "replace('a', '<')", "replace('e','')", "truncate(5)",
            "truncate(7, true, '..')", "wordwrap(4)", "center(9)", "striptags", "urlencode", "e", "safe", "string",
            "default('none')", "default('none', true)", "d(customer.last, true)", "d(customer.nope.deeper)", "default(nope)", "forceescape", "indent(2)", "tojson",
            "reverse", "first", "last", "upper|lower", "e|upper", "safe|title", "escape|replace('a','<')",
        )  # fmt: skip
        return self.pick(
            lambda: f"{self.wrap(self.text)}|{self.r.choice(filters)}",
            lambda: f"{self.wrap(self.text)}|{self.r.choice(filters)}",
            lambda: f"({self.any()} ~ {self.any()})",
            lambda: f"({self.text()} + {self.text()})",
            lambda: f"({self.text()} if {self.test()} else {self.text()})",
            lambda: f"({self.text()} if {self.test()})",
            lambda: f"({self.text()} or {self.text()})",
            lambda: f"({self.text()} and {self.text()})",
            lambda: (
                f"{self.wrap(self.text)}[{self.r.choice(('1:', ':3', '-2:', ':-1', '1:4', '0', '-1', '::2', '5:2'))}]"
            ),
            lambda: (
                self.list_text() + "|" + self.r.choice(("join", "join(', ')", "first", "last", "join('<')"))
            ),
            lambda: (
                f"{self.wrap(self.path_text)}.{self.r.choice(('upper()', 'lower()', 'strip()', 'title()'))}"
            ),
            lambda: "{'a': 'A', 'vip': 'V<'}[" + self.text() + "]",
            lambda: "{'a': 'A', 'vip': 'V<'}.get(" + self.text() + ", " + self.text() + ")",
            lambda: f"({self.text()} * 2)",
            lambda: f"('%s-%s'|format({self.text()}, {self.text()}))",
        )

    def wrap(self, make: Any) -> str:
        made = make()
        return made if made.replace(".", "").replace("_", "").isalnum() else f"({made})"

    def number(self) -> str:
        if not self.deep():
            return self.pick(
                "customer.age", "customer.score", "n", "d", "1", "2", "0", "0.5", "-3", "customer.balance",
                lambda: self.r.choice([f"{o}.qty" for o in self.orders] + [f"{o}.total" for o in self.orders] + ["n"]),
                lambda: self.r.choice([f"{x}.n" for x in self.lines] + self.ints + ["7"]),
                lambda: self.r.choice(["loop.index", "loop.index0", "loop.length", "loop.revindex", "loop.revindex0"])
                if self.loops else "3",
            )  # fmt: skip
        return self.pick(
            lambda: f"({self.number()} {self.r.choice(('+', '-', '*', '/', '//', '%'))} {self.number()})",
            lambda: f"({self.number()} {self.r.choice(('+', '-', '*'))} {self.number()})",
            lambda: f"{self.wrap(self.text)}|length",
            lambda: f"{self.list_any()}|{self.r.choice(('length', 'count'))}",
            lambda: f"customer.nums|{self.r.choice(('sum', 'first', 'last', 'max', 'min'))}",
            lambda: "customer.orders|" + self.r.choice(("sum(attribute='qty')", "sum(attribute='total')")),
            lambda: (
                self.wrap(self.number)
                + "|"
                + self.r.choice(
                    ("abs", "round", "round(2)", "int", "float", "round(1, 'floor')", "round(0, 'ceil')")
                )
            ),
            lambda: f"{self.wrap(self.text)}|{self.r.choice(('int', 'float', 'int(9)', 'wordcount'))}",
            lambda: f"(-{self.wrap(self.number)})",
            lambda: f"customer.nums[{self.r.choice(('0', '-1', '1', 'n'))}]",
            lambda: f"({self.number()} if {self.test()} else {self.number()})",
            lambda: f"({self.number()} ** 2)",
            lambda: f"({self.number()} or {self.number()})",
        )

    def list_text(self) -> str:
        return self.pick(
            "customer.tags", "customer.tags", "customer.orders|map(attribute='id')", "customer.tags[1:]", "customer.tags[:-1]",
            "customer.tags|map('upper')", "customer.tags|select('ne', 'vip')", "customer.tags|reject('none')",
            "customer.orders|selectattr('paid')|map(attribute='id')", "['a', 'b']", "customer.tags|sort", "customer.tags|reverse",
            "customer.tags|unique", "customer.orders|rejectattr('qty', 'gt', 2)|map(attribute='id')|list",
            lambda: f"[{self.text()}, {self.text()}]",
        )  # fmt: skip

    def list_any(self) -> str:
        return self.pick("customer.tags", "customer.nums", "customer.orders", self.list_text)

    def test(self) -> str:
        if not self.deep():
            return self.pick("customer.vip", "customer.first", "customer.tags", "n", "customer.address", "true", "customer.score",
                             "loop.first" if self.loops else "customer.last", "loop.last" if self.loops else "s")  # fmt: skip
        compare = ("==", "!=", "<", ">", "<=", ">=")
        return self.pick(
            lambda: f"{self.number()} {self.r.choice(compare)} {self.number()}",
            lambda: f"{self.text()} {self.r.choice(compare)} {self.text()}",
            lambda: f"{self.any()} {self.r.choice(('==', '!='))} {self.any()}",
            lambda: f"not {self.wrap(self.test)}",
            lambda: f"({self.test()} and {self.test()})",
            lambda: f"({self.test()} or {self.test()})",
            lambda: (
                f"{self.wrap(self.any)} is {self.r.choice(('defined', 'undefined', 'none', 'not none', 'string', 'number', 'integer', 'boolean', 'mapping', 'float'))}"
            ),
            lambda: (
                f"{self.path_text()} is {self.r.choice(('defined', 'undefined', 'none', 'upper', 'lower'))}"
            ),
            lambda: (
                f"{self.wrap(self.number)} is {self.r.choice(('odd', 'even', 'divisibleby 3', 'gt 2', 'eq 1', 'ne 0'))}"
            ),
            lambda: f"{self.text()} in ['a', 'vip', 'Ada', none]",
            lambda: f"{self.literal()} {self.r.choice(('in', 'not in'))} {self.text()}",
            lambda: f"{self.text()} in {self.list_text()}",
            lambda: f"{self.text()} in [{self.text()}, {self.text()}]",
            lambda: f"{self.number()} in [1, 2, 3]",
            lambda: f"{self.wrap(self.path_text)}.startswith('a')",
            lambda: f"1 < {self.number()} <= 5",
            lambda: "customer.birth < customer.birth",
            lambda: (
                f"customer.balance {self.r.choice(compare)} {self.r.choice(('100', '1.5', '0', 'customer.balance', '0.1'))}"
            ),
        )

    def any(self) -> str:
        return self.pick(
            self.text, self.text, self.number, "customer.vip", "customer.balance", "customer.birth", "customer.seen",
            self.path_text, "none" if self.r.random() < 0.1 else "1", lambda: f"({self.test()})",
            "customer.tags" if self.r.random() < 0.2 else "customer.score", "customer.birth.year", "customer.seen.strftime('%d.%m.%Y %H:%M')",
            "customer.birth.isoformat()",
        )  # fmt: skip

    def static(self) -> str:
        return self.r.choice(
            ("hi ", "<p>", '"quoted" & \\ ', "\n", "é 👍 ", "- ", "</p>\n", "{{ '{{' }}", "100%")
        )

    def body(self, depth: int = 0) -> str:
        return "".join(self.statement(depth) for _ in range(self.r.randint(1, 4)))

    def statement(self, depth: int) -> str:
        roll = self.r.random()
        if roll < 0.2:
            return self.static()
        if roll < 0.55 or depth > 3:
            self.budget += 3
            return "{{ " + self.any() + " }}"
        made = self.r.choice(
            (self.if_, self.if_, self.for_, self.for_, self.set_, self.with_, self.macro, self.call, self.block_set,
             self.filter_block, self.trans, self.namespace, self.loop_control)
        )  # fmt: skip
        return str(made(depth))

    def if_(self, depth: int) -> str:
        out = "{% if " + self.test() + " %}" + self.body(depth + 1)
        if self.r.random() < 0.3:
            out += "{% elif " + self.test() + " %}" + self.body(depth + 1)
        if self.r.random() < 0.5:
            out += "{% else %}" + self.body(depth + 1)
        return out + "{% endif %}"

    def for_(self, depth: int) -> str:
        kind = self.r.choice(
            ("orders", "orders", "tags", "nums", "lines", "literal", "range", "filtered", "nested")
        )
        held = (list(self.orders), list(self.lines), list(self.texts), list(self.ints), self.loops)
        name = self.name("x")
        if kind == "lines" and self.orders:
            over = f"{self.r.choice(self.orders)}.lines"
            self.lines.append(name)
        elif kind in ("tags", "lines"):
            over = self.list_text()
            self.texts.append(name)
        elif kind == "nums":
            over = "customer.nums"
            self.ints.append(name)
        elif kind == "literal":
            over = self.r.choice(
                ("['a', 'b<']", "('p', 'q', 'r')", "[]", "[customer.first, customer.address.city]", "[s, n]")
            )
            self.texts.append(name)
        elif kind == "range":
            over = self.r.choice(("range(3)", "range(customer.nums|length)", "range(1, 4)"))
            self.ints.append(name)
        elif kind == "filtered":
            over = f"customer.orders if {name}.{self.r.choice(('paid', 'qty', 'id'))}"
            self.orders.append(name)
        else:
            over = self.r.choice(
                (
                    "customer.orders",
                    "customer.orders",
                    "customer.orders[:2]",
                    "customer.orders|sort(attribute='id')",
                )
            )
            self.orders.append(name)
        self.loops += 1
        out = "{% for " + name + " in " + over + " %}" + self.body(depth + 1)
        if self.r.random() < 0.2:
            out += self.r.choice(("{{ loop.cycle('odd', 'even') }}", "{% if not loop.last %}, {% endif %}", "{{ loop.changed(n) }}",
                                  "{{ loop.previtem }}", "{{ loop.nextitem is defined }}", "{{ loop.depth }}"))  # fmt: skip
        self.orders, self.lines, self.texts, self.ints, self.loops = held
        if self.r.random() < 0.3:
            out += "{% else %}" + self.body(depth + 1)
        return out + "{% endfor %}"

    def loop_control(self, _: int) -> str:
        name = self.name("k")
        stop = self.r.choice(("break", "continue"))
        return (
            "{% for "
            + name
            + " in customer.nums %}{% if "
            + name
            + " > 1 %}{% "
            + stop
            + " %}{% endif %}{{ "
            + name
            + " }},{% endfor %}"
        )

    def set_(self, _: int) -> str:
        name = self.name("v")
        if self.r.random() < 0.5:
            out = "{% set " + name + " = " + self.text() + " %}"
            self.texts.append(name)
        else:
            out = "{% set " + name + " = " + self.number() + " %}"
            self.ints.append(name)
        return out

    def block_set(self, depth: int) -> str:
        name = self.name("b")
        tag = self.r.choice(("", "|upper", "|trim", "|length"))
        out = "{% set " + name + tag.replace("|", " | ") + " %}" + self.body(depth + 2) + "{% endset %}"
        self.texts.append(name)
        return out

    def with_(self, depth: int) -> str:
        name = self.name("w")
        out = "{% with " + name + " = " + self.text() + " %}"
        self.texts.append(name)
        out += self.body(depth + 1) + "{% endwith %}"
        self.texts.remove(name)
        return out

    def macro(self, depth: int) -> str:
        name = self.name("m")
        held = (list(self.orders), list(self.lines), list(self.texts), list(self.ints), self.loops)
        self.orders, self.lines, self.loops = [], [], 0
        self.texts = [t for t in self.texts if t.startswith("zz")] + ["p"]
        out = "{% macro " + name + "(p, q='<d>') %}[{{ q }}" + self.body(depth + 2) + "{% endmacro %}"
        self.orders, self.lines, self.texts, self.ints, self.loops = held
        self.macros.append(name)
        return out + "{{ " + name + "(" + self.text() + ") }}"

    def call(self, _: int) -> str:
        if not self.macros:
            return self.static()
        name = self.r.choice(self.macros)
        call = self.r.choice(
            (
                f"{name}({self.text()})",
                f"{name}(p={self.text()}, q={self.any()})",
                f"{name}({self.text()})|upper",
            )
        )
        return "{{ " + call + " }}"

    def filter_block(self, depth: int) -> str:
        tag = self.r.choice(("upper", "trim", "replace('a','b')", "e", "indent(2)"))
        return "{% filter " + tag + " %}" + self.body(depth + 2) + "{% endfilter %}"

    def trans(self, _: int) -> str:
        if self.r.random() < 0.5:
            return "{% trans who=" + self.text() + " %}Hi {{ who }}, 5% <off>{% endtrans %}"
        return "{% trans k=customer.nums|length %}one {{ k }}{% pluralize %}many {{ k }}{% endtrans %}"

    def namespace(self, _: int) -> str:
        name = self.name("ns")
        return (
            "{% set " + name + " = namespace(t=0) %}{% for q in customer.nums %}{% set " + name + ".t = " + name
            + ".t + q %}{% endfor %}{{ " + name + ".t }}"
        )  # fmt: skip


def case(r: Random, budget: int | None = None) -> tuple[str, pa.RecordBatch, bool]:
    """A template of about `budget` expressions, rows, and whether it is HTML."""
    return Author(r, budget or r.randint(4, 30)).body(), batch_of(r), r.random() < 0.5
