"""A SAM template stood up on the local endpoint."""

from __future__ import annotations

import dataclasses
import json
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.server import Endpoint
from fanfold.local.stack import Stack, StackError, deploy
from fanfold.local.stack.intrinsics import Resolver

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Greeting: {Type: String, Default: hello}
  Names: {Type: CommaDelimitedList, Default: "ann, bob"}
  Seconds: {Type: Number, Default: 7}
Conditions:
  IsPolite: !Not [!Equals [!Ref Greeting, ""]]
  IsRude: !Not [!Condition IsPolite]
Globals:
  Function: {Runtime: python3.13, MemorySize: 256, Layers: [!Ref Kit]}
Resources:
  Input:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub ${AWS::StackName}-input-${AWS::AccountId}
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
  Output: {Type: AWS::S3::Bucket}
  Never: {Type: AWS::S3::Bucket, Condition: IsRude}
  Seen:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{AttributeName: key, AttributeType: S}]
      KeySchema: [{AttributeName: key, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  Kit:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: makefile}
    Properties: {ContentUri: kit/}
  Greet:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {ParentPackageMode: auto}}
    Properties:
      FunctionName: !Sub ${AWS::StackName}-greet
      CodeUri: functions/greet/
      Handler: functions.greet.handler.handler
      Timeout: !Ref Seconds
      Environment:
        Variables:
          GREETING: !Sub "${Greeting}, ${!literally}"
          BUCKET: !Ref Output
          TABLE_ARN: !GetAtt Seen.Arn
          SECOND: !Select [1, !Ref Names]
          POLITE: !If [IsPolite, "yes", !Ref AWS::NoValue]
          RUDE: !If [IsRude, "yes", !Ref AWS::NoValue]
      Policies: [{Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}]
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /logs}}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub ${AWS::StackName}-flow
      DefinitionUri: flow.asl.json
      DefinitionSubstitutions: {GreetArn: !GetAtt Greet.Arn, Retries: 3}
      Logging: {Destinations: [{CloudWatchLogsLogGroup: {LogGroupArn: !GetAtt Logs.Arn}}]}
Outputs:
  Flow: {Value: !Ref Flow}
  FlowName: {Value: !GetAtt Flow.Name}
  Bucket: {Value: !Ref Input}
  Joined: {Value: !Join ["|", !Ref Names]}
  Rude: {Condition: IsRude, Value: x}
"""
FLOW = {
    "QueryLanguage": "JSONata",
    "StartAt": "Greet",
    "States": {
        "Greet": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "${GreetArn}", "Payload": {"name": "{% $states.input.name %}"}},
            "Output": "{% $states.result.Payload & ' ${Retries} ${unknown}' %}",
            "End": True,
        }
    },
}
HANDLER = """
import importlib.util, os
from kit import excited
from functions.greet import words
def handler(event, context):
    if "name" in event:
        return excited(words.text(event["name"]))
    alone = importlib.util.find_spec("functions.other") is None
    own = {name: os.environ.get(name) for name in ("GREETING", "BUCKET", "TABLE_ARN", "SECOND", "POLITE", "RUDE")}
    return [own, alone, context.memory_limit_in_mb]
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    files = {
        "template.yaml": TEMPLATE,
        "flow.asl.json": json.dumps(FLOW),
        "kit/__init__.py": "def excited(text): return text + '!'",
        "functions/greet/handler.py": HANDLER,
        "functions/greet/words.py": "def text(name): return 'hello ' + name",
        "functions/other/handler.py": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def stack(endpoint: Endpoint, project: Path) -> Stack:
    return deploy(endpoint, project / "template.yaml", stack_name="shop")


CATALOG = """
    Resources:
      Catalog:
        Type: AWS::Glue::Database
        Properties:
          CatalogId: !Ref AWS::AccountId
          DatabaseInput: {Name: !Join [_, !Split ["-", !Ref AWS::StackName]]}
      Orders:
        Type: AWS::Glue::Table
        Properties:
          CatalogId: !Ref AWS::AccountId
          DatabaseName: !Ref Catalog
          TableInput:
            Name: orders
            Parameters: {storage.location.template: !Sub "s3://b/${!run}/"}
            StorageDescriptor: {Columns: [{Name: %s, Type: string}]}
      Analysts: {Type: AWS::Athena::WorkGroup, Properties: {Name: !Ref AWS::StackName}}
      Count:
        Type: AWS::Athena::NamedQuery
        Properties: {Name: count, Database: !Ref Catalog, WorkGroup: !Ref Analysts, QueryString: SELECT 1}
    Outputs:
      Catalog: {Value: !Ref Catalog}
      Orders: {Value: !Ref Orders}
      Analysts: {Value: !Ref Analysts}
    """


def template(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text("Transform: AWS::Serverless-2016-10-31\n" + textwrap.dedent(text))
    return path


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def test_the_outputs_are_resolved(stack: Stack) -> None:
    assert stack.outputs == {
        "Flow": "arn:aws:states:us-east-1:123456789012:stateMachine:shop-flow",
        "FlowName": "shop-flow",
        "Bucket": "shop-input-123456789012",
        "Joined": "ann|bob",
    }


def test_resources_are_known_by_their_logical_ids(stack: Stack) -> None:
    assert stack.name == "shop"
    assert stack.buckets.keys() == {"Input", "Output"}
    assert stack.buckets["Input"] == "shop-input-123456789012"
    assert [stack.functions, stack.machines] == [{"Greet": "shop-greet"}, {"Flow": "shop-flow"}]


def test_a_name_that_is_made_up_fits_its_service_and_stays_the_same(stack: Stack) -> None:
    name = stack.buckets["Output"]

    assert name.startswith("shop-output-")
    assert name == name.lower()
    assert len(name) <= 63


def test_buckets_and_tables_are_there(endpoint: Endpoint, stack: Stack) -> None:
    s3 = endpoint.client("s3")
    table = endpoint.client("dynamodb").describe_table(TableName=stack.tables["Seen"])["Table"]

    assert s3.get_bucket_versioning(Bucket=stack.buckets["Input"])["Status"] == "Enabled"
    assert "Status" not in s3.get_bucket_versioning(Bucket=stack.buckets["Output"])
    assert table["KeySchema"] == [{"AttributeName": "key", "KeyType": "HASH"}]


def test_a_catalog_is_there_and_brought_up_to_date(endpoint: Endpoint, tmp_path: Path) -> None:
    glue = endpoint.client("glue")

    stack = deploy(endpoint, template(tmp_path, CATALOG % "first"), stack_name="two-words")
    first = glue.get_table(DatabaseName="two_words", Name="orders")["Table"]
    deploy(endpoint, template(tmp_path, CATALOG % "second"), stack_name="two-words")
    second = glue.get_table(DatabaseName="two_words", Name="orders")["Table"]

    assert stack.outputs == {"Catalog": "two_words", "Orders": "orders", "Analysts": "two-words"}
    assert first["Parameters"] == {"storage.location.template": "s3://b/${run}/"}
    assert [table["StorageDescriptor"]["Columns"][0]["Name"] for table in (first, second)] == ["first", "second"]


def test_a_function_has_its_settings_environment_and_nothing_but_its_code(endpoint: Endpoint, stack: Stack) -> None:
    settings = endpoint.client("lambda").get_function_configuration(FunctionName="shop-greet")
    answer = json.loads(endpoint.functions.invoke("shop-greet", b"{}").payload)

    assert [settings["Timeout"], settings["MemorySize"], settings["Handler"]] == [
        7,
        256,
        "functions.greet.handler.handler",
    ]
    assert answer == [
        {
            "GREETING": "hello, ${literally}",
            "BUCKET": stack.buckets["Output"],
            "TABLE_ARN": f"arn:aws:dynamodb:us-east-1:123456789012:table/{stack.tables['Seen']}",
            "SECOND": "bob",
            "POLITE": "yes",
            "RUDE": None,
        },
        True,
        "256",
    ]


def test_a_state_machine_has_its_substitutions(endpoint: Endpoint, stack: Stack) -> None:
    client = endpoint.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=stack.outputs["Flow"], input='{"name": "ann"}')["executionArn"]

    until(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING", "the execution ends")

    assert client.describe_execution(executionArn=execution)["output"] == '"hello ann! 3 ${unknown}"'


def test_an_edited_handler_is_seen_by_the_next_cold_start(endpoint: Endpoint, project: Path, stack: Stack) -> None:
    (project / "functions/greet/words.py").write_text("def text(name): return 'good morning ' + name")
    fresh = deploy(endpoint, project / "template.yaml", stack_name="fresh")

    assert endpoint.functions.invoke(fresh.functions["Greet"], b'{"name": "bob"}').payload == b'"good morning bob!"'


def test_a_stack_deployed_again_is_updated_and_keeps_its_data(endpoint: Endpoint, project: Path) -> None:
    s3, dynamodb = endpoint.client("s3"), endpoint.client("dynamodb")
    first = deploy(endpoint, project / "template.yaml", stack_name="twice")
    assert json.loads(endpoint.functions.invoke("twice-greet", b"{}").payload)[0]["SECOND"] == "bob"
    s3.put_object(Bucket=first.buckets["Input"], Key="kept", Body=b"")
    dynamodb.put_item(TableName=first.tables["Seen"], Item={"key": {"S": "kept"}})
    (project / "flow.asl.json").write_text(json.dumps(FLOW | {"Comment": "edited"}))

    again = deploy(endpoint, project / "template.yaml", stack_name="twice", parameters={"Names": "x,y"})

    flow = endpoint.client("stepfunctions").describe_state_machine(stateMachineArn=again.outputs["Flow"])
    assert again == dataclasses.replace(first, outputs=first.outputs | {"Joined": "x|y"})
    assert json.loads(endpoint.functions.invoke("twice-greet", b"{}").payload)[0]["SECOND"] == "y"
    assert json.loads(flow["definition"])["Comment"] == "edited"
    assert s3.list_objects_v2(Bucket=again.buckets["Input"])["KeyCount"] == 1
    assert dynamodb.scan(TableName=again.tables["Seen"])["Count"] == 1


def test_parameters_change_what_is_built(endpoint: Endpoint, project: Path) -> None:
    parameters = {"Greeting": "", "Names": "x,y,z"}

    stack = deploy(endpoint, project / "template.yaml", stack_name="rude", parameters=parameters)

    assert [stack.outputs["Joined"], stack.outputs["Rude"]] == ["x|y|z", "x"]
    assert "Never" in stack.buckets


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Size": "huge"}, "parameter Size must be one of small, large, not 'huge'"),
        ({}, "parameter Size has no default: give it a value"),
        ({"Size": "small", "Sice": "small"}, "the template has no parameter Sice; it has Size"),
    ],
)
def test_parameters_that_do_not_fit_are_errors(
    endpoint: Endpoint, tmp_path: Path, parameters: dict[str, str], message: str
) -> None:
    text = """
        Parameters: {Size: {Type: String, AllowedValues: [small, large]}}
        Resources: {B: {Type: AWS::S3::Bucket}}
        """

    with pytest.raises(StackError, match=message):
        deploy(endpoint, template(tmp_path, text), parameters=parameters)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: {Q: {Type: AWS::Kinesis::Stream}}", "Q: a resource of type AWS::Kinesis::Stream has no local"),
        ("Resources: {F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}}", "F"),
        ("Outputs: {}", "not a CloudFormation template, it has no Resources"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref Nobody}}}", "refers to 'Nobody'"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref B}}}", "circular names: B -> B"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: x}}}", "B: .*InvalidBucketName"),
        ("Resources: {B: {Type: AWS::S3::Bucket, Condition: Maybe}}", "there is no condition 'Maybe'"),
        (
            "{Resources: {B: {Type: AWS::S3::Bucket}}, Outputs: {O: {Value: !GetAtt B.Colour}}}",
            "Fn::GetAtt B.Colour is not known here",
        ),
        (
            "Resources: {L: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: none.json, Role: r}}}",
            "L: .*none.json does not exist",
        ),
    ],
)
def test_a_fault_in_the_template_is_named(endpoint: Endpoint, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text if text.startswith("{") else f"Transform: AWS::Serverless-2016-10-31\n{text}")

    with pytest.raises(StackError, match=message):
        deploy(endpoint, path)


def test_the_users_aws_profile_is_not_needed(endpoint: Endpoint, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    stack = deploy(endpoint, template(tmp_path, "Resources: {B: {Type: AWS::S3::Bucket}}"), stack_name="noprofile")

    assert stack.buckets.keys() == {"B"}


def test_a_state_machine_that_is_refused_names_its_resource(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"QueryLanguage": "JSONata", "StartAt": "A", "States": {}}')
    text = """
        Resources:
          Bad:
            Type: AWS::Serverless::StateMachine
            Properties: {DefinitionUri: bad.json, Role: "arn:aws:iam::123456789012:role/flow"}
        """

    with pytest.raises(StackError, match="Bad: InvalidDefinition"):
        deploy(endpoint, template(tmp_path, text))


def test_an_inline_definition_and_explicit_parents_work_too(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "edge.py").write_text("def handler(event, context): return __name__")
    text = """
        Resources:
          Plain:
            Type: AWS::Serverless::Function
            Metadata: {BuildProperties: {ParentPackageMode: explicit, ParentPackages: shop.till}}
            Properties: {Runtime: python3.13, Handler: shop.till.edge.handler, CodeUri: code}
          Direct:
            Type: AWS::Serverless::Function
            Properties: {Runtime: python3.13, Handler: edge.handler, CodeUri: code}
          Flow:
            Type: AWS::Serverless::StateMachine
            Properties:
              Role: arn:aws:iam::123456789012:role/flow
              Definition:
                QueryLanguage: JSONata
                StartAt: A
                States: {A: {Type: Pass, Output: !GetAtt Plain.Arn, End: true}}
        """
    stack = deploy(endpoint, template(tmp_path, text), stack_name="inline")

    answers = {name: endpoint.functions.invoke(stack.functions[name], b"{}").payload for name in ("Plain", "Direct")}
    machine = endpoint.client("stepfunctions").describe_state_machine(
        stateMachineArn=f"arn:aws:states:us-east-1:123456789012:stateMachine:{stack.machines['Flow']}"
    )

    assert answers == {"Plain": b'"shop.till.edge"', "Direct": b'"edge"'}
    assert f"function:{stack.functions['Plain']}" in machine["definition"]


def resolver() -> Resolver:
    return Resolver(
        {"Name": "ann", "List": ["a", "b"], "Number": 3}.__getitem__,
        lambda logical_id, attribute: f"{logical_id}/{attribute}",
        conditions={
            "Yes": {"Fn::Equals": ["a", "a"]},
            "No": {"Fn::Not": [{"Condition": "Yes"}]},
            "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
            "One": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
            "Numbers": {"Fn::Equals": [{"Ref": "Number"}, "3"]},
        },
        mappings={"Sizes": {"large": {"mb": 1769}}},
    )


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"Ref": "Name"}, "ann"),
        ({"Fn::GetAtt": ["B", "Arn"]}, "B/Arn"),
        ({"Fn::GetAtt": "B.Arn"}, "B/Arn"),
        ({"Fn::Sub": "${Name}-${B.Arn}-${!Name}"}, "ann-B/Arn-${Name}"),
        ({"Fn::Sub": ["${x}${Name}", {"x": {"Ref": "Number"}}]}, "3ann"),
        ({"Fn::Sub": "${List} $ {} $x"}, "a,b $ {} $x"),
        ({"Fn::Join": ["-", ["x", {"Ref": "Name"}, 1]]}, "x-ann-1"),
        ({"Fn::Join": ["-", {"Ref": "List"}]}, "a-b"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Select": ["1", {"Ref": "List"}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", "large", "mb"]}, 1769),
        ({"Fn::If": ["Yes", "then", {"Ref": "Nobody"}]}, "then"),
        ({"Fn::Base64": {"Ref": "Name"}}, "YW5u"),
        ({"Fn::ToJsonString": {"a": {"Ref": "Number"}}}, '{"a": 3}'),
        ({"a": {"Ref": "AWS::NoValue"}, "b": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, "c": 0}, {"c": 0}),
        ([1, {"Ref": "AWS::NoValue"}, {"Fn::If": ["Yes", 2, 3]}], [1, 2]),
        ({"Ref": "Name", "other": 1}, {"Ref": "Name", "other": 1}),
    ],
)
def test_an_intrinsic_function_is_evaluated(node: Any, expected: Any) -> None:
    assert resolver().value(node) == expected


def test_conditions_are_evaluated() -> None:
    names = ("Yes", "No", "Both", "One", "Numbers")

    assert [resolver().condition(name) for name in names] == [True, False, False, True, True]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"Fn::Transform": {}}, "Fn::Transform is not known here"),
        ({"Fn::Select": [5, ["a"]]}, "there is no item 5"),
        ({"Fn::FindInMap": ["Sizes", "small", "mb"]}, "there is no Sizes.small.mb"),
        ({"Fn::If": ["Maybe", 1, 2]}, "there is no condition 'Maybe'"),
    ],
)
def test_an_intrinsic_function_that_cannot_be_evaluated_is_an_error(node: Any, message: str) -> None:
    with pytest.raises(StackError, match=message):
        resolver().value(node)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    )
)
def test_what_holds_no_intrinsic_function_is_left_as_it_is(node: Any) -> None:
    assert resolver().value(node) == node
