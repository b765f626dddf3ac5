"""OpenAPI 3.1 of every route, made from the same declarations as the router."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from scheduler.entry import Entry
from scheduler.web.auth import Access
from scheduler.web.keys import Daemon
from scheduler.web.named import all_names, entry_called
from scheduler.web.route import PARAMETER, Route
from scheduler.web.schemas import ERRORS, PARAMETERS, SCHEMAS, SECRETS
from scheduler.web.views import params_schema


def openapi(routes: Iterable[Route], daemon: Daemon) -> dict[str, Any]:
    """The document. Routes that run a job are in it once for each job, with its parameters."""
    schemas: dict[str, Any] = {name: dict(schema) for name, schema in SCHEMAS.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for path, entry in _paths(route, daemon):
            operation = _operation(route, path, entry, schemas)
            paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lamplighter",
            "version": daemon.version,
            "description": "Worker routes, admin API and health of a lamplighter daemon.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                str(access): {"type": "http", "scheme": "bearer", "description": description}
                for access, description in SECRETS.items()
            },
        },
    }


def _paths(route: Route, daemon: Daemon) -> Iterator[tuple[str, Entry | None]]:
    path = route.documented_path
    if not route.runs_job:
        yield path, None
        return
    for name in all_names(daemon):
        entry = entry_called(daemon, name)
        own = daemon.jobs[entry.job].job.path
        by_name = own is None or name in daemon.clock.schedule.entries
        yield path.replace("{name}", name if by_name else str(own)), entry


def _operation(
    route: Route, path: str, entry: Entry | None, schemas: dict[str, Any]
) -> dict[str, Any]:
    words = [route.method.lower(), *re.findall(r"\w+", route.documented_path)]
    if entry is not None:
        words = [route.method.lower(), "run", *re.findall(r"\w+", entry.name)]
    in_path = PARAMETER.findall(path)
    operation: dict[str, Any] = {
        "operationId": "_".join(words),
        "summary": f"Run {entry.name}" if entry else route.summary,
        "parameters": [
            *(_parameter("path", name, {"type": "string"}) for name in in_path),
            *(_parameter("query", name, dict(schema)) for name, schema in route.query.items()),
            *(_parameter("header", name, dict(schema)) for name, schema in route.headers.items()),
        ],
        "responses": {
            str(status): _response(schema, text=route.text and status < 400)
            for status, schema in _answers(route).items()
        },
    }
    if route.access is not Access.OPEN:
        operation["security"] = [{str(route.access): []}]
    if entry is not None:
        name = "Params." + re.sub(r"[^\w.-]", "_", entry.name, flags=re.ASCII)
        schemas[name] = _hoisted(params_schema(entry), name, schemas)
        operation["parameters"] += [
            # A list stands there once, with commas between its items.
            _parameter("query", field, {"$ref": f"#/components/schemas/{name}/properties/{field}"})
            | {"explode": False}
            for field in schemas[name].get("properties", {})
            if field not in {to_camel(parameter) for parameter in in_path}
        ]
        operation["requestBody"] = _body(name)
    elif route.body is not None:
        operation["requestBody"] = _body(_model(route.body, schemas))
    return operation


def _answers(route: Route) -> dict[int, str]:
    """What the route says, and the errors that every route of its kind has."""
    errors = [*ERRORS[route.access]]
    if route.parameters:
        errors.append(404)
    if route.query or route.body or route.runs_job:
        errors.append(422)
    if route.body or route.runs_job:
        errors += [400, 408, 413, 415]
    if "Idempotency-Key" in route.headers:
        errors += [409, 500, 504]
    elif route.parameters and route.method == "POST":
        errors.append(409)
    return dict(sorted({**dict.fromkeys(errors, "Error"), **route.answers}.items()))


def _parameter(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.pop("description", None) or PARAMETERS.get(name)
    parameter: dict[str, Any] = {"name": name, "in": place, "schema": schema}
    if place == "path":
        parameter["required"] = True
    if description:
        parameter["description"] = description
    return parameter


def _body(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"required": False, "content": content}


def _response(schema: str, *, text: bool = False) -> dict[str, Any]:
    kind = "text/plain" if text else "application/json"
    return {
        "description": SCHEMAS[schema]["description"],
        "content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _model(model: type[BaseModel], schemas: dict[str, Any]) -> str:
    name = model.__name__
    schemas[name] = _hoisted(model.model_json_schema(), name, schemas)
    return name


def _hoisted(schema: dict[str, Any], owner: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """A model's own definitions stand beside it, since `#/$defs` means the whole document's."""
    for name, definition in schema.pop("$defs", {}).items():
        schemas[f"{owner}.{name}"] = _referring(definition, owner)
    hoisted: dict[str, Any] = _referring(schema, owner)
    return hoisted


def _referring(schema: Any, owner: str) -> Any:
    match schema:
        case {"$ref": str(target), **others}:
            name = target.removeprefix("#/$defs/")
            return {**others, "$ref": f"#/components/schemas/{owner}.{name}"}
        case dict():
            return {key: _referring(value, owner) for key, value in schema.items()}
        case list():
            return [_referring(value, owner) for value in schema]
        case _:
            return schema
