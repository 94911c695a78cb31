"""The distribution `carillon`: the rooms as top-level packages, and the `carillon` command.

Versions are exact in requirements.txt; here stand only the packages the code itself imports.
"""

from setuptools import find_packages, setup

setup(
    name="carillon",
    version="0.1.0",
    description="Campaign messaging on Spark: Kafka and audience snapshots in, rendered send batches out",
    python_requires=">=3.10",
    packages=find_packages(
        include=[
            f"{room}{inner}"
            for room in (
                "bench",
                "conf",
                "console",
                "drills",
                "embedded",
                "examples",
                "jobs",
                "pipelines",
                "schemas",
                "senders",
            )
            for inner in ("", ".*")
        ]
    ),
    include_package_data=True,
    package_data={"": ["*.yaml", "*.yml", "*.json", "*.j2", "*.txt"]},
    install_requires=[
        "Jinja2",
        "PyYAML",
        "babel",
        "boto3",
        "confluent-kafka",
        "delta-spark==4.4.0",
        "deltalake",
        "email-validator",
        "great-expectations>=1.24",
        "idna",
        "jsonschema",
        "pandas",
        "phonenumbers",
        "pyarrow",
        "pydantic>=2",
        "pydantic-settings",
        "pyspark==4.2.0",
        "rich",
        "sqlglot",
        "structlog",
        "typer",
        "tzdata",
    ],
    extras_require={
        "embedded": ["moto[server]", "waitress"],
        "dev": [
            "chispa",
            "cloudevents",
            "hypothesis",
            "minijinja",
            "mypy",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "types-PyYAML",
            "types-jsonschema",
        ],
    },
    entry_points={"console_scripts": ["carillon = console.main:main"]},
)
