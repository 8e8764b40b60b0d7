"""A finished synthetic case: fields drawn by the generator, read by a model that was trained on such cells.

The models that ship know real cells, and would refer every synthetic one to a person.
"""

import secrets
from pathlib import Path
from typing import Final

from lymphoscope.inference import load
from lymphoscope.review.database import open_database
from lymphoscope.review.migrate import upgrade
from lymphoscope.review.pages.model_cells import DEMO_MODEL
from lymphoscope.review.people import add_user, has_people, hash_password
from lymphoscope.review.settings import ReviewSettings
from lymphoscope.smear import RunOptions, find_fields, load_detector, run_smear
from lymphoscope.synthetic import SmearSettings, synthesize_smear

DEMO_PERSON: Final = "demo"
FIELDS: Final = SmearSettings(fields=24, white_cells=8, seed=15)
"""Some 260 white cells."""


def write_demo(folder: Path, settings: SmearSettings = FIELDS) -> Path:
    """Draw fields, find and classify their cells, and return the results folder; finished results are kept."""
    results = folder / "results"
    if (results / "smear.json").is_file():
        return results
    synthesize_smear(folder / "smear", settings)
    fields = find_fields([folder / "smear" / "fields"], slide="synthetic", subject="demo")
    options = RunOptions(microns_per_pixel=settings.microns_per_pixel, command="lymphoscope review demo")
    run_smear(load(DEMO_MODEL), load_detector(), fields, results, options)
    return results


def add_demo_person(settings: ReviewSettings) -> str | None:
    """Make the account of the demo, with every role; return its password, None if there are accounts already."""
    database = open_database(settings.database)
    upgrade(database)
    password = secrets.token_urlsafe(12)
    try:
        with database.write() as session:
            if has_people(session):
                return None
            add_user(
                session,
                DEMO_PERSON,
                display_name="Demo Reader",
                roles=["senior_reader", "administrator"],
                password_hash=hash_password(password),
                by=None,
            )
    finally:
        database.close()
    return password
