"""Functions of PackageType Image on the local endpoint, over HTTP."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fanfold.local.server import Endpoint
from fanfold.local.stack import StackError, deploy

DOCKERFILE = """
    FROM amazon/aws-lambda-python:3.13
    RUN dnf install -y gawk
    COPY kit ${LAMBDA_TASK_ROOT}/kit/
    COPY shop/till/ ${LAMBDA_TASK_ROOT}/till/
    CMD ["till.edge.closed"]
    """
METADATA = "Metadata: {Dockerfile: shop/Dockerfile, DockerContext: .., DockerTag: v1}"
TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Till:
        Type: AWS::Serverless::Function
        %s
        Properties:
          FunctionName: till
          PackageType: Image
          %s
          Timeout: 9
          Environment: {Variables: {CURRENCY: EUR}}
    """
HANDLER = """
    import importlib.util, os, pathlib
    from kit import price
    BESIDE = pathlib.Path(__file__).with_name("rates.txt").read_text()
    def handler(event, context):
        others = [name for name in ("itemkit", "shop", "private") if importlib.util.find_spec(name)]
        return {"price": price(event["cents"], os.environ["CURRENCY"]), "rates": BESIDE, "others": others}
    def closed(event, context):
        return "closed"
    """


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        yield endpoint


@pytest.fixture
def functions(endpoint: Endpoint) -> Any:
    return endpoint.client("lambda")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "shop/Dockerfile": DOCKERFILE,
        "shop/till/edge.py": HANDLER,
        "shop/till/rates.txt": "1.1",
        "kit/__init__.py": "def price(cents, currency): return f'{cents / 100:.2f} {currency}'",
        "private/__init__.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def template(project: Path, properties: str = "ImageConfig: {Command: [till.edge.handler]}") -> Path:
    path = project / "deployment" / "template.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(TEMPLATE % (METADATA, properties)))
    return path


def answer(functions: Any, event: Any) -> Any:
    return json.loads(functions.invoke(FunctionName="till", Payload=json.dumps(event))["Payload"].read())


def test_the_handler_of_the_template_runs_with_what_the_dockerfile_copies_and_nothing_else(
    endpoint: Endpoint, functions: Any, project: Path
) -> None:
    stack = deploy(endpoint, template(project), stack_name="shop")

    assert stack.functions == {"Till": "till"}
    assert answer(functions, {"cents": 250}) == {"price": "2.50 EUR", "rates": "1.1", "others": []}


def test_without_a_command_in_the_template_the_dockerfiles_is_the_handler(
    endpoint: Endpoint, functions: Any, project: Path
) -> None:
    deploy(endpoint, template(project, "Description: as built"), stack_name="shop")

    assert answer(functions, {}) == "closed"


def test_the_api_shows_an_image(endpoint: Endpoint, functions: Any, project: Path) -> None:
    deploy(endpoint, template(project), stack_name="shop")
    found = functions.get_function(FunctionName="till")
    shown = found["Configuration"]

    assert shown["PackageType"] == "Image"
    assert shown["ImageConfigResponse"] == {"ImageConfig": {"Command": ["till.edge.handler"]}}
    assert {"Handler", "Runtime", "Layers"} & shown.keys() == set()
    assert shown["Timeout"] == 9
    copied = ("shop/till/edge.py", "shop/till/rates.txt", "kit/__init__.py")
    assert shown["CodeSize"] == sum((project / name).stat().st_size for name in copied)
    location = Path(found["Code"]["Location"].removeprefix("file://"))
    assert (location / "till/rates.txt").read_text() == "1.1"


def test_edited_code_is_seen_when_the_template_is_deployed_again(
    endpoint: Endpoint, functions: Any, project: Path
) -> None:
    deploy(endpoint, template(project), stack_name="shop")
    before = answer(functions, {"cents": 1})
    (project / "kit/__init__.py").write_text("def price(cents, currency): return currency + ' ' + str(cents)")
    (project / "kit/fresh.py").write_text("")

    deploy(endpoint, template(project), stack_name="shop")

    assert [before["price"], answer(functions, {"cents": 1})["price"]] == ["0.01 EUR", "EUR 1"]


def test_settings_can_be_changed_but_code_only_by_the_template(
    endpoint: Endpoint, functions: Any, project: Path
) -> None:
    deploy(endpoint, template(project), stack_name="shop")

    changed = functions.update_function_configuration(FunctionName="till", Timeout=20)
    with pytest.raises(ClientError, match="till was made from a Dockerfile, not with Handler"):
        functions.update_function_configuration(FunctionName="till", Handler="till.edge.closed")
    with pytest.raises(ClientError, match="not with ImageUri: deploy its template again"):
        functions.update_function_code(FunctionName="till", ImageUri="somewhere/till:2")

    assert [changed["Timeout"], changed["PackageType"]] == [20, "Image"]
    assert answer(functions, {"cents": 250})["price"] == "2.50 EUR"


def test_an_image_cannot_be_created_over_the_api(functions: Any) -> None:
    with pytest.raises(ClientError, match="Images do not run here") as refused:
        functions.create_function(
            FunctionName="pulled",
            PackageType="Image",
            Role="arn:aws:iam::123456789012:role/r",
            Code={"ImageUri": "somewhere/till:2"},
        )

    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (METADATA, "", "images do not run here"),
        ("DockerContext: .., ", "", "images do not run here"),
        ("Dockerfile: shop/Dockerfile", "Dockerfile: shop/none", "shop/none cannot be read: No such file"),
        ("Command: [till.edge.handler]", "EntryPoint: [/bin/till]", "name the handler, and nothing else, in Command"),
        ("[till.edge.handler]", "[python3, -m, till]", "name the handler, and nothing else, in Command"),
    ],
)
def test_what_is_no_handler_from_a_dockerfile_is_refused(
    endpoint: Endpoint, project: Path, before: str, after: str, message: str
) -> None:
    path = template(project)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))

    with pytest.raises(StackError, match=f"^Till: .*{message}"):
        deploy(endpoint, path)


def test_an_image_of_a_registry_is_refused(endpoint: Endpoint, project: Path) -> None:
    path = template(project, 'ImageUri: "123456789012.dkr.ecr.us-east-1.amazonaws.com/till:1"')
    path.write_text(path.read_text().replace(METADATA, ""))

    with pytest.raises(StackError, match=r"^Till: images do not run here.* Metadata \(Dockerfile, DockerContext\)"):
        deploy(endpoint, path)


def test_the_image_that_sam_pushed_earlier_does_not_keep_the_dockerfile_from_being_followed(
    endpoint: Endpoint, functions: Any, project: Path
) -> None:
    deploy(endpoint, template(project, "ImageUri: repository/till:1"), stack_name="shop")

    assert answer(functions, {}) == "closed"


def test_a_dockerfile_that_cannot_be_followed_names_its_function(endpoint: Endpoint, project: Path) -> None:
    (project / "shop/Dockerfile").write_text("FROM amazon/aws-lambda-python:3.13\nADD . .\n")

    with pytest.raises(StackError, match=r"Till: .*Dockerfile, line 2: ADD is not understood; without building it"):
        deploy(endpoint, template(project))
