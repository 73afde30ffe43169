"""The files that are generated or have generated sections, and what they are to contain."""

import json
from pathlib import Path
from typing import Final

from bench.capacity import idle
from facematch.domain.priority import Priority
from facematch.domain.regions import PROFILES, Region
from generate import api, lanes
from generate.alarms import write_alarms
from generate.dashboard import write_dashboard
from generate.emulator import write_regions
from generate.sections import fill_code, fill_markdown
from generate.settings import list_settings
from generate.tables import tabulate_outputs, tabulate_parameters, tabulate_regions

ROOT: Final = Path(__file__).parents[1]
_TEMPLATE: Final = ROOT / "template.yaml"
_PARAMETERS: Final = ROOT / "docs" / "parameters.md"
_PROVIDER: Final = ROOT / "docs" / "provider.md"
_EMULATOR: Final = ROOT / "emulator" / "facecompare_emulator" / "endpoints.py"


def render() -> dict[Path, str]:
    """Return the text that each file is to have.

    Raises
    ------
    LookupError
        Something that a jurisdiction needs is not stated; the message names the place.
    """
    _check_profiles()
    template = render_template(_TEMPLATE.read_text())
    return {
        _TEMPLATE: template,
        _PARAMETERS: fill_markdown(
            _PARAMETERS.read_text(),
            {"parameters": tabulate_parameters(template), "outputs": tabulate_outputs(template)},
        ),
        _PROVIDER: fill_markdown(_PROVIDER.read_text(), {"regions": tabulate_regions()}),
        _EMULATOR: fill_code(_EMULATOR.read_text(), {"regions": write_regions()}),
        api.OPENAPI: f"{json.dumps(api.describe_api(), indent=2)}\n",
        api.EVENT_SCHEMA: f"{json.dumps(api.describe_event(), indent=2)}\n",
        api.REASONS_PAGE: api.describe_reasons(),
        idle.PAGE: idle.render_page(idle.PAGE.read_text()),
    }


def _check_profiles() -> None:
    for region in Region:
        if region not in PROFILES:
            raise LookupError(f"src/facematch/domain/regions.py: PROFILES has no entry for {region}.")


def render_template(text: str) -> str:
    """Return the template with its generated sections."""
    sections = {
        "names of the regions' parameters": lanes.list_parameters(),
        "the regions' parameters": lanes.write_parameters(),
        "AWS regions of the jurisdictions": lanes.write_home_regions(),
        "conditions of the lanes": lanes.write_conditions(),
        "variables of the lanes": lanes.write_variables(),
        "lanes": lanes.write_queues(),
        "bulk queues": lanes.write_arns(Priority.BULK),
        "urgent queues": lanes.write_arns(Priority.URGENT),
        "dashboard": write_dashboard(),
        "alarms": write_alarms(),
        "outputs of the lanes": lanes.write_outputs(),
    }
    # The list of settings is read from the rest.
    text = fill_code(text, sections | {"settings": "Content: none"})
    return fill_code(text, sections | {"settings": list_settings(text)})


def write() -> None:
    """Write every file."""
    for path, text in render().items():
        path.write_text(text)
