"""Fills the HTML templates. jinja2 escapes everything that comes from outside; only our own SVG and CSS are not escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.drawing.style import COLOURS
from reports.verdict import number_text


def render(template: str, **values: object) -> str:
    """`template` filled with `values`."""
    return _environment().get_template(template).render(**values)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = Markup
    environment.filters["count"] = number_text
    environment.globals["variables"] = _variables()
    return environment


def _variables() -> dict[str, Markup]:
    """The palette as CSS declarations, for the light and the dark page."""
    return {
        "light": Markup(" ".join(f"--{colour.name}: {colour.light};" for colour in COLOURS)),  # noqa: S704
        "dark": Markup(" ".join(f"--{colour.name}: {colour.dark};" for colour in COLOURS)),  # noqa: S704
    }
