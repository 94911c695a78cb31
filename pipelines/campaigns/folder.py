"""A campaign folder on disk becomes a `Campaign`, or a `CampaignError` with every problem of the folder.

What is loaded is self-contained: templates and tables of the workspace's `_shared` folder that the campaign
reaches are copied into it (templates as `shared/…`), unless it has a file of that name itself. Text is
UTF-8 with line feeds, so a checkout on another system gives the same digest.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from conf.strict_yaml import read_yaml
from pipelines.campaigns import checks
from pipelines.campaigns.content import CONTENT_FOLDER, read_table
from pipelines.campaigns.errors import CampaignError, Problem, did_you_mean
from pipelines.campaigns.explain import explain
from pipelines.campaigns.locales import canonical_locale, is_locale
from pipelines.campaigns.model import Campaign, CampaignSpec
from pipelines.campaigns.parts import SHARED_FOLDER, WORKSPACE_SHARED_FOLDER
from pipelines.campaigns.references import reachable, tables_named

CAMPAIGN_FILE = "campaign.yaml"
FILE_BYTES_MAX = 1_000_000
FOLDERS = ("templates", "locales", CONTENT_FOLDER)


def load_folder(path: Path) -> Campaign:
    """The campaign of a folder; raises `CampaignError` with all problems found."""
    problems: list[Problem] = []
    spec = _read_spec(path, problems)
    own = _read_tree(path / "templates", "templates", ".j2", problems)
    workspace = _read_tree(
        path.parent / WORKSPACE_SHARED_FOLDER, WORKSPACE_SHARED_FOLDER, ".j2", problems, CONTENT_FOLDER
    )
    shared = {f"{SHARED_FOLDER}/{name}": text for name, text in workspace.items()}
    templates = reachable(own, shared) | own
    catalogues = _read_catalogues(path / "locales", problems)
    content = _read_content(path, templates, problems)
    problems += _unknown_entries(path)
    if spec is None:
        raise CampaignError(path.name, problems)
    campaign = Campaign.model_construct(
        **dict(spec), templates=templates, catalogues=catalogues, content=content
    )
    problems += [*checks.check_folder_name(campaign, path.name), *checks.check(campaign)]
    if problems:
        raise CampaignError(path.name, problems)
    return campaign


def find_campaigns(folder: Path) -> list[Path]:
    """The campaign folders of a workspace, or the folder itself when it is one."""
    if (folder / CAMPAIGN_FILE).is_file():
        return [folder]
    if not folder.is_dir():
        return []
    return sorted(
        entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(("_", "."))
    )


def _read_spec(folder: Path, problems: list[Problem]) -> CampaignSpec | None:
    file = folder / CAMPAIGN_FILE
    if not file.is_file():
        fix = "A campaign is a folder with this file; examples/campaigns shows some"
        problems.append(Problem(CAMPAIGN_FILE, "", f"not found in {folder.name}/", "", fix))
        return None
    text = _read_text(file, CAMPAIGN_FILE, problems)
    if text is None:
        return None
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        problems.append(_yaml_problem(error))
        return None
    if not isinstance(content, dict):
        problems.append(Problem(CAMPAIGN_FILE, "", f"a {type(content).__name__}", "a mapping of keys", ""))
        return None
    try:
        return CampaignSpec.model_validate(content)
    except ValidationError as error:
        problems += explain(error, CAMPAIGN_FILE)
        return None


def _yaml_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    is_syntax = isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError)
    fix = getattr(error, "note", None) or ("Quote texts that hold ':', '#' or '{{'" if is_syntax else "")
    return Problem(CAMPAIGN_FILE, place, f"not valid YAML: {reason}", "", fix)


def _read_text(file: Path, name: str, problems: list[Problem]) -> str | None:
    raw = file.read_bytes()
    if len(raw) > FILE_BYTES_MAX:
        found, allowed = f"{len(raw):,} bytes", f"at most {FILE_BYTES_MAX:,}"
        problems.append(Problem(name, "", found, allowed, "Move large texts out of the campaign"))
        return None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problems.append(Problem(name, f"line {line}", "not UTF-8", "", "Save the file as UTF-8"))
        return None


def _read_tree(
    folder: Path, label: str, suffix: str, problems: list[Problem], beside: str | None = None
) -> dict[str, str]:
    """The texts of a folder by path, but for those of the folder `beside` in it."""
    texts: dict[str, str] = {}
    if not folder.is_dir():
        return texts
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in relative.parts)
        if is_hidden or relative.parts[0] == beside or not file.is_file():
            continue
        name = relative.as_posix()
        if not name.endswith(suffix):
            fix = f"Rename it to '{name}{suffix}' or move it out of {label}/"
            problems.append(Problem(f"{label}/{name}", "", "an unknown kind of file", f"*{suffix}", fix))
        elif (text := _read_text(file, f"{label}/{name}", problems)) is not None:
            texts[name] = text
    return texts


def _read_catalogues(folder: Path, problems: list[Problem]) -> dict[str, str]:
    catalogues: dict[str, str] = {}
    for name, text in _read_tree(folder, "locales", ".po", problems).items():
        locale = name.removesuffix(".po")
        if is_locale(locale):
            catalogues[locale] = text
        else:
            hint = canonical_locale(locale)
            fix = f"Rename it to '{hint}.po'" if hint else "Name the file after its locale"
            problems.append(
                Problem(f"locales/{name}", "", f"'{locale}' is no locale", "such as de or pt-BR", fix)
            )
    return catalogues


def _read_content(folder: Path, templates: dict[str, str], problems: list[Problem]) -> dict[str, str]:
    """The campaign's own tables, and those of the workspace that its templates name."""
    shared_label = f"{WORKSPACE_SHARED_FOLDER}/{CONTENT_FOLDER}"
    shared = _read_tables(folder.parent / WORKSPACE_SHARED_FOLDER / CONTENT_FOLDER, shared_label, problems)
    named = tables_named(templates.values())
    reached = {name: text for name, text in shared.items() if named is None or name in named}
    return dict(sorted((reached | _read_tables(folder / CONTENT_FOLDER, CONTENT_FOLDER, problems)).items()))


def _read_tables(folder: Path, label: str, problems: list[Problem]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, text in _read_tree(folder, label, "", problems).items():
        table = read_table(path, f"{label}/{path}", text)
        if isinstance(table, Problem):
            problems.append(table)
        elif table[0] in found:
            problems.append(Problem(f"{label}/{path}", "", f"a second table '{table[0]}'", "", "Remove one"))
        else:
            found[table[0]] = table[1]
    return found


def _unknown_entries(folder: Path) -> list[Problem]:
    problems = []
    known = (*FOLDERS, CAMPAIGN_FILE)
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir() and entry.name not in FOLDERS and not entry.name.startswith("."):
            hint = did_you_mean(entry.name, FOLDERS, "Remove it")
            problems.append(Problem(f"{entry.name}/", "", "an unknown folder", ", ".join(FOLDERS), hint))
        elif entry.suffix in (".yaml", ".yml") and entry.name != CAMPAIGN_FILE:
            hint = did_you_mean(entry.name, known, "Remove it")
            problems.append(Problem(entry.name, "", "an unknown file", CAMPAIGN_FILE, hint))
    return problems
