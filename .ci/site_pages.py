"""Hook of mkdocs: pages of the site that stand elsewhere in the repository, and links between the two places.

A link in any page is written as it works in the repository (``../plugins/mlflow/README.md``). Here it is pointed at
the page that the site has of that file. A link to a file that is not on the site stays, and fails the build.
"""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
#: The site's pages from outside of docs/, by the file that they are in the repository.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    **{f"plugins/{path.name}/README.md": f"backends/{path.name}.md" for path in sorted((ROOT / "plugins").iterdir())},
    **{f"examples/plugins/{name}/README.md": f"backends/{name}.md" for name in ("job_facts", "redact")},
}
#: All examples are one page, a section a file.
EXAMPLES = "examples.md"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
FROM_ELSEWHERE = re.compile(r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+stylesheet[^>]+//""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for source, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text()))
    files.append(File.generated(config, EXAMPLES, content=_examples()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point the links of a page at the site's pages."""
    uri = page.file.src_uri
    source = {page: file for file, page in OUTSIDE.items()}.get(uri, f"docs/{uri}")

    def linked(match: re.Match[str]) -> str:
        target = _on_site(posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1])))
        return match[0] if target is None else posixpath.relpath(target, posixpath.dirname(uri)) + (match[2] or "")

    return LINK.sub(linked, markdown)


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Refuse a page that would have a reader's browser fetch something from another host."""
    if found := FROM_ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from another host: {found[0]}")
    return output


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a reference that lacks a public name, for nothing else tells of one that griffe has not found."""
    for page in sorted(Path(config.docs_dir, "reference").glob("*.md")):
        written = Path(config.site_dir, "reference", page.with_suffix(".html").name).read_text()
        for module in re.findall(r"^::: ([\w.]+)", page.read_text(), re.MULTILINE):
            if missing := [name for name in _public(module) if f'id="{module}.{name}"' not in written]:
                raise PluginError(f"reference/{page.name} lacks {', '.join(missing)}: is there a docstring?")


def _public(module: str) -> list[str]:
    """The names in a module's ``__all__``, where they are written out; but a submodule hides its name from griffe."""
    path = ROOT / "src" / module.replace(".", "/")
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    listed = re.search(r"^__all__ = (\[[^]]*\])", source, re.MULTILINE)
    names = ast.literal_eval(listed[1]) if listed else []
    return [name for name in names if not (path / f"{name}.py").exists()]


def _on_site(path: str) -> str | None:
    """The page of a file or folder of the repository."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.split("/")[0] == "examples" and (ROOT / path).exists():
        return f"{EXAMPLES}#{_anchor(path)}" if path != "examples" else EXAMPLES
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def _examples() -> str:
    """Programs and configs, each whole."""
    sections = [
        "# Examples",
        "Each of these runs as it stands, from a checkout: after `make demo`; on an engine, after `make engines`.",
    ]
    examples = ROOT / "examples"
    programs = sorted([*examples.glob("*.py"), *examples.glob("*.sh"), *(examples / "serving").glob("*.py")])
    configs = sorted((ROOT / "examples" / "config").iterdir())
    for path in (*programs, ROOT / "examples" / "config", *configs):
        name = path.relative_to(ROOT).as_posix()
        sections.append(f"{'###' if path in configs else '##'} {name} {{ #{_anchor(name)} }}")
        if path.is_dir():
            sections.append("One config a tracker: the program stays the same.")
        else:
            sections.append(f"``` {path.suffix[1:].replace('py', 'python')}\n{path.read_text().rstrip()}\n```")
    return "\n\n".join(sections) + "\n"


def _anchor(path: str) -> str:
    return path.removeprefix("examples/").replace("/", "-")
