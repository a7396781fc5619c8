"""JupyterLab asks nothing about news over the lesson, by settings that are in its schema."""

import json
from pathlib import Path

import jsonschema
import pytest
from jupyter_core.paths import ENV_JUPYTER_PATH
from lessons import ROOT

SETTINGS = ROOT / "tools" / "lab_settings"
PLUGIN = "@jupyterlab/apputils-extension:notification"


def schema() -> dict:
    """What JupyterLab lets one set about notifications, and nothing else."""
    package, plugin = PLUGIN.split(":")
    path = Path(ENV_JUPYTER_PATH[0], "lab", "schemas", *package.split("/"), f"{plugin}.json")
    return json.loads(path.read_text("utf-8")) | {"additionalProperties": False}


def test_make_lab_uses_the_settings():
    assert (
        f"--LabApp.app_settings_dir={SETTINGS.relative_to(ROOT)}" in (ROOT / "Makefile").read_text()
    )


def test_news_and_updates_are_switched_off_by_names_that_jupyterlab_knows():
    settings = json.loads((SETTINGS / "overrides.json").read_text())
    assert settings == {PLUGIN: {"fetchNews": "false", "checkForUpdates": False}}
    jsonschema.validate(settings[PLUGIN], schema())


@pytest.mark.parametrize("unknown", [{"fetchNews": False}, {"fetchTheNews": "false"}])
def test_a_name_or_value_that_jupyterlab_does_not_know_is_noticed(unknown: dict):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(unknown, schema())
