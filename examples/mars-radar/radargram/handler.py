"""The Lambda function ``radargram``."""

from radargram.operation import OPERATION

from itemkit import lambda_handler

handler = lambda_handler(OPERATION)
