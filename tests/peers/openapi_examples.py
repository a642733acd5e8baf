"""Holds every example of an OpenAPI document, read from standard input, to its schema; prints those that do not fit."""

import json
import sys

import jsonschema_rs


def resolved(document, value):
    """What a reference to a component stands for, or the value itself."""
    reference = value.get("$ref", "")
    for name in reference.removeprefix("#/").split("/") if reference else []:
        document = document[name]
    return document if reference else value


def contents(document):
    """Each body and answer: where it stands, its schema, its examples."""
    for path, item in document["paths"].items():
        for method, call in item.items():
            if method == "parameters":
                continue
            places = [("body", call.get("requestBody", {})), *call["responses"].items()]
            for place, of in places:
                for kind in resolved(document, of).get("content", {}).values():
                    examples = [it["value"] for it in kind.get("examples", {}).values()]
                    examples += [kind["example"]] if "example" in kind else []
                    yield f"{method.upper()} {path} {place}", kind["schema"], examples


def main():
    document = json.load(sys.stdin)
    looked_at = 0
    for where, schema, examples in contents(document):
        schema = {"components": document["components"], **schema}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        for example in examples:
            looked_at += 1
            for error in validator.iter_errors(example):
                print(f"{where}: {list(error.instance_path)}: {error.message[:300]}")
    print(f"{looked_at} examples")


main()
