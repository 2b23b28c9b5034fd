"""Give a copy of the sources the address of their home: describe.py URL COPY.

An index page shows the README away from the repository, where relative links are dead.
The sources name no home, so that a mirror is as good as any; a release does.
"""

import re
import sys
from pathlib import Path


def address(remote):
    """Return the page of a repository, from the address that git has of it."""
    page = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", remote.strip())
    page = page.removesuffix("/").removesuffix(".git")
    if not re.match(r"https://[^/]+/.+", page):
        raise SystemExit(f"{remote!r} is no address of a repository")
    return page


def absolute(readme, home, tag):
    """Return a README whose links and pictures lead to a tag of the repository."""

    def lead(match):
        shown = "raw" if match[1].startswith("!") else "blob"
        return f"{match[1]}({home}/{shown}/{tag}/{match[2]})"

    return re.sub(r"(!?\[[^\]]*\])\((?![a-z]+:|#)([^()\s]+)\)", lead, readme)


def describe(remote, copy):
    """Write the links of the README and the addresses of the package."""
    home, copy = address(remote), Path(copy)
    code = (copy / "captum_interactions" / "__init__.py").read_text(encoding="utf-8")
    tag = "v" + re.search(r'__version__ = "(.+)"', code)[1]
    readme = copy / "README.md"
    text = absolute(readme.read_text(encoding="utf-8"), home, tag)
    readme.write_text(text, encoding="utf-8")
    config = copy / "setup.cfg"
    urls = [
        f"url = {home}",
        "project_urls =",
        f"    Source = {home}",
        f"    Documentation = {home}/blob/{tag}/docs/index.md",
        f"    Changelog = {home}/blob/{tag}/CHANGELOG.md",
        f"    Issues = {home}/issues",
    ]
    head = "[metadata]\n"
    text = config.read_text(encoding="utf-8").replace(
        head, head + "\n".join(urls) + "\n"
    )
    config.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    describe(*sys.argv[1:])
