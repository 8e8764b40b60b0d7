"""The commands of docs/how-to/operate.md have options that exist, and its Kubernetes job is the object it says."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from lymphoscope.cli.main import app

PAGE = (Path(__file__).parents[1] / "docs/how-to/operate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```\w*\n(.*?)```", PAGE, re.DOTALL)
JOB = next(block for block in BLOCKS if block.startswith("apiVersion"))
LINES = [line for block in BLOCKS for line in block.splitlines() if re.search(r"\blymphoscope predict", line)]


def words_of(line: str) -> list[str]:
    command = re.sub(r"\s\d?>>?\S+", "", line)  # redirections belong to the shell
    return shlex.split(command[re.search(r"\blymphoscope predict", command).start() :])[1:]  # type: ignore[union-attr]


def check(words: list[str]) -> None:
    name, *rest = words
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    with command.make_context(name, rest, resilient_parsing=False) as context:
        assert context.params["paths"]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_the_page_can_be_parsed(line: str) -> None:
    check(words_of(line))


def test_the_page_has_a_line_for_each_way_of_running() -> None:
    assert any(line.startswith("docker run --rm --read-only") for line in LINES)
    assert any(re.match(r"(\S+ ){5} ?lymphoscope", line) for line in LINES)
    assert len(LINES) >= 3


def test_containers_of_the_plain_install_write_csv_which_needs_no_extra() -> None:
    outputs = [words_of(line) for line in LINES if line.startswith("docker run")]
    outputs.append(yaml.safe_load(JOB)["spec"]["template"]["spec"]["containers"][0]["args"])
    assert [words[words.index("--out") + 1] for words in outputs] == ["/data/p.csv"] * len(outputs)


def test_the_kubernetes_job_is_read_only_restarts_and_runs_a_valid_command() -> None:
    job = yaml.safe_load(JOB)
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert (job["kind"], pod["restartPolicy"]) == ("Job", "OnFailure")
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    check(container["args"])
