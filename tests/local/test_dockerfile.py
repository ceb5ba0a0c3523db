"""What is understood of a Dockerfile, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanfold.local.stack import StackError
from fanfold.local.stack.dockerfile import SUPPORTED, read_image

BASE = "FROM amazon/aws-lambda-python:3.13\n"
FILES = ("app/handler.py", "app/data/words.txt", "kit/__init__.py", "main.py", "more.py")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def made(context: Path, text: str) -> dict[str, str]:
    """Return the files that a Dockerfile puts into the task root, each with the name of the file it is."""
    return {str(mount.at): str(mount.source.relative_to(context.resolve())) for mount in image(context, text).task}


def image(context: Path, text: str):
    path = context / "Dockerfile"
    path.write_text(text)
    return read_image(path, context)


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ("COPY main.py ${LAMBDA_TASK_ROOT}", {"main.py": "main.py"}),
        ("COPY main.py $LAMBDA_TASK_ROOT/", {"main.py": "main.py"}),
        ("COPY ./main.py /var/task/start.py", {"start.py": "main.py"}),
        ("COPY main.py .", {"main.py": "main.py"}),
        ("COPY main.py more.py ./", {"main.py": "main.py", "more.py": "more.py"}),
        ("COPY main.py in/", {"in/main.py": "main.py"}),
        ("COPY app ${LAMBDA_TASK_ROOT}", {"data/words.txt": "app/data/words.txt", "handler.py": "app/handler.py"}),
        ("COPY app/data/ ${LAMBDA_TASK_ROOT}/data", {"data/words.txt": "app/data/words.txt"}),
        ("copy /kit/ ${LAMBDA_TASK_ROOT}/kit/", {"kit/__init__.py": "kit/__init__.py"}),
        ("COPY main.py a/\nCOPY more.py a/main.py", {"a/main.py": "more.py"}),
        ("COPY kit a\nCOPY main.py a", {"a/__init__.py": "kit/__init__.py", "a/main.py": "main.py"}),
        ("COPY main.py \\\n  # both\n\n  more.py \\ \n  ./\n", {"main.py": "main.py", "more.py": "more.py"}),
        ("WORKDIR ${LAMBDA_TASK_ROOT}\nRUN dnf install -y gawk && \\\n  COPY x /\nLABEL a=b", {}),
    ],
)
def test_what_is_copied_is_where_docker_would_put_it(
    context: Path, instructions: str, expected: dict[str, str]
) -> None:
    assert made(context, f"# syntax=docker/dockerfile:1\n\n{BASE}{instructions}") == expected


@pytest.mark.parametrize("name", ["amazon/aws-lambda-python", "mirror.example/lambda/python:3.12 AS last"])
def test_the_last_command_is_the_handler_on_any_base_image_for_python(context: Path, name: str) -> None:
    assert image(context, f'FROM {name}\nCMD ["a.b"]\nCMD [ "c.d" ]').command == ("c.d",)
    assert image(context, f"FROM {name}").command == ()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("FROM python:3.13", 1, "FROM python:3.13 is not an AWS base image for Python"),
        ("FROM amazon/aws-lambda-nodejs:22", 1, "not an AWS base image for Python"),
        (BASE + BASE, 2, "a second FROM"),
        (BASE + 'ENTRYPOINT ["/bin/sh"]', 2, "ENTRYPOINT is not understood"),
        (BASE + "ENV PYTHONPATH=/opt", 2, "ENV is not understood"),
        (BASE + "ADD main.py .", 2, "ADD is not understood"),
        (BASE + "CMD a.b", 2, "CMD a.b is not a list of one text"),
        (BASE + 'CMD ["a", "b"]', 2, "not a list of one text"),
        (BASE + "WORKDIR app", 2, "WORKDIR app is another folder"),
        (BASE + "RUN <<EOF\nCOPY main.py .\nEOF", 2, "RUN with a here-document"),
        (BASE + "COPY main.py", 2, "COPY main.py is not understood"),
        (BASE + "COPY", 2, "COPY  is not understood"),
        (BASE + "COPY --chmod=755 main.py .", 2, "is not understood"),
        (BASE + "COPY *.py ./", 2, "is not understood"),
        (BASE + 'COPY ["main.py", "."]', 2, "is not understood"),
        (BASE + "COPY $NAME .", 2, "is not understood"),
        (BASE + "COPY main.py more.py app", 2, "must end with /"),
        (BASE + "COPY main.py /opt/", 2, "/opt/ is no plain place in the task root"),
        (BASE + "COPY main.py /var/tasks", 2, "/var/tasks is no plain place in the task root"),
        (BASE + "COPY main.py ${LAMBDA_TASK_ROOT}/../x", 2, "is no plain place in the task root"),
        (BASE + "COPY main.py ${HOME}/", 2, "is no plain place in the task root"),
        (BASE + "\nCOPY ../outside .", 3, "../outside lies outside the context"),
        (BASE + "\n#\nCOPY none.py .", 4, "there is no none.py in the context"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line_and_what_is(
    context: Path, text: str, line: int, reason: str
) -> None:
    with pytest.raises(StackError) as refused:
        image(context, text)

    message = str(refused.value)
    assert message.startswith(f"{context / 'Dockerfile'}, line {line}: ")
    assert reason in message
    assert message.endswith(SUPPORTED)


def test_a_dockerfile_without_a_base_or_that_is_not_there_is_refused(context: Path) -> None:
    with pytest.raises(StackError, match="has no FROM"):
        image(context, "# nothing\n\\\n \\")
    with pytest.raises(StackError, match="none cannot be read: No such file"):
        read_image(context / "none", context)
