"""What was looked at and found to be right, each with its reason; what nobody uses any more is a finding."""

from __future__ import annotations

from tests.cloud.stack import ACCOUNT, REGION

_IN, _OUT = (f"arn:aws:s3:::fanfold-{which}-{ACCOUNT}-{REGION}" for which in ("input", "output"))
_HERE = f"{REGION}:{ACCOUNT}"

# Actions that no recorded run calls for and no rule asks for, by the role or for all of them ("*").
UNSEEN = {
    ("*", "logs:CreateLogStream"): "Lambda writes the log in the name of the function",
    ("*", "logs:PutLogEvents"): "Lambda and Firehose write their logs in the name of the role",
    ("*", "kms:Decrypt"): "S3, SQS, SNS, DynamoDB and Step Functions use the key in the name of the caller",
    ("*", "kms:GenerateDataKey"): "the same, to write",
    ("*", "kms:Encrypt"): "Step Functions' documentation asks for it of a map that writes its results",
    ("*", "s3:AbortMultipartUpload"): "an upload in parts that fails leaves no parts",
    ("ArrivalFunctionRole", "s3:ListBucket"): "an object that was moved before its run began must read as 404",
    ("ArrivalFunctionRole", "sqs:SendMessage"): "Lambda puts the events aside that Arrival failed at",
    ("DrainTimerRole", "states:StartExecution"): "EventBridge Scheduler starts the drain",
    ("DynamodbLoadFunctionRole", "dynamodb:DescribeTimeToLive"): "for a job with the option ttl",
    ("DynamodbLoadFunctionRole", "dynamodb:PutItem"): "for a job that keeps newer items: a batch has no conditions",
    ("IncomingStreamRole", "s3:GetBucketLocation"): "Firehose's documentation asks for it",
    ("IncomingStreamRole", "s3:GetObject"): "the same",
    ("IncomingStreamRole", "s3:ListBucket"): "the same",
    ("IncomingStreamRole", "s3:ListBucketMultipartUploads"): "the same",
    ("IncomingStreamRole", "s3:PutObject"): "Firehose writes what it gathered",
    ("NotifierRole", "sns:Publish"): "EventBridge tells of finished runs",
    ("PublishFunctionRole", "s3:ListBucket"): "a sample output that vanished must read as 404",
}

# Resources with a star in them, in a stack with everything in it.
WILDCARDS = {
    f"{_IN}/*": "jobs name any source in it",
    f"{_IN}/incoming/*": "uploads have any name",
    f"{_IN}/manifests/*": "uploaded manifests have any name",
    f"{_IN}/undelivered/*": "Firehose names what it could not deliver",
    f"{_OUT}/*": "jobs name any destination in it, and outputs of one are sources of the next",
    f"{_OUT}/drain/*": "the lease and the turns' manifests",
    f"{_OUT}/runs/*": "runs are named when they start",
    f"{_OUT}/runs/*-gave-up/records/*": "the same",
    f"{_OUT}/runs/*/failures.csv": "the same",
    f"{_OUT}/runs/*/moved.json": "the same",
    f"{_OUT}/summaries/*": "days and runs",
    "arn:aws:s3:::photos/*": "a bucket that the parameters name whole",
    "arn:aws:s3:::results/*": "the same",
    f"arn:aws:glue:{_HERE}:table/fanfold/out_*": "tables are named after destinations",
    f"arn:aws:lambda:{_HERE}:function:fanfold-op-*": "operations are added without a change to the workflow",
    f"arn:aws:states:{_HERE}:execution:fanfold-drain:*": "executions are named when they start",
    f"arn:aws:states:{_HERE}:execution:fanfold-process:*": "the same",
    f"arn:aws:states:{_HERE}:execution:fanfold-process/*": "children, by the map's label and their own id",
    f"arn:aws:states:{_HERE}:express:fanfold-process/*": "the same",
    f"arn:aws:states:{_HERE}:mapRun:fanfold-process/*:*": "map runs, likewise",
}

# Checks of checkov that are not ours, of one resource or of all of them ("*").
CHECKOV = {
    ("CKV_AWS_18", "*"): "who reads objects is CloudTrail's to tell; a bucket for logs is one more to guard",
    ("CKV_AWS_111", "RunFunctions"): "Lambda's network interfaces and traces know no resource",
    ("CKV_AWS_115", "*"): "a job says its concurrency; reserving, by parameter, takes it from the account",
    ("CKV_AWS_116", "*"): "Step Functions calls them and hears of what fails; Arrival has a queue as its destination",
}
