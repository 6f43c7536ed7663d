"""JSON Schemas (draft 2020-12) of the TOML files that a user writes, for editors that complete and check them."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """A schema of what stands in a TOML file, which knows no null: a key that may be left out is not there."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        """Of ``int | None`` only the int."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """A default that is None, nothing, or a whole table says no more than that the key may be left out."""
        written = super().default_schema(schema)
        telling = not isinstance(written.get("default"), dict) and written.get("default") not in (None, [])
        return {key: value for key, value in written.items() if key != "default" or telling}

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        """Where names have a pattern, there are no others."""
        written = super().dict_schema(schema)
        return {**written, "additionalProperties": False} if "patternProperties" in written else written

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (pydantic's own signature)
        """A title that repeats the key helps nobody."""
        return False


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema of a file that `model` reads, with the names that users write and a description of every key."""
    schema = model.model_json_schema(schema_generator=_AsWritten)
    return {"$schema": DIALECT, **schema, "title": title}
