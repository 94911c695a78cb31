"""The kernels: one function for each operation of the intermediate representation, over Arrow arrays.

Invariant: a kernel computes exactly what Jinja2 computes for the same value, or marks the row as
undecided (`bad`), and then the row-wise engine decides. A kernel never raises for a row's value.
"""
