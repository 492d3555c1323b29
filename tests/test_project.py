"""The project's own files agree with one another."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(canonical(line).split("==") for line in lines if line and not line.startswith("#"))


def canonical(text: str) -> str:
    name, *rest = text.split("==")
    return "==".join([re.sub(r"[-_.]+", "-", name).lower(), *rest])


def needed(requirements: list[str], seen: set[str]) -> set[str]:
    """The names of all installed packages that these requirements lead to."""
    for requirement in requirements:
        name = canonical(re.split(r"[^A-Za-z0-9._-]", requirement)[0])
        if name in seen:
            continue
        try:
            dependencies = distribution(name).requires or []
        except PackageNotFoundError:  # an extra that is not asked for, another platform
            continue
        seen.add(name)
        needed([line for line in dependencies if "extra ==" not in line], seen)
    return seen


def test_every_package_that_is_needed_is_pinned_to_the_version_that_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    names = needed(project["dependencies"] + extras["serve"] + extras["dev"], set()) - {project["name"]}
    assert len(names) > 40
    pinned = pins()
    wrong = {name: distribution(name).version for name in names if pinned.get(name) != distribution(name).version}
    assert wrong == {}


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"]:
        targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert targets or page.name == "CONTRIBUTING.md"
        missing = [target for target in targets if not (page.parent / target).exists()]
        assert missing == [], page.name
