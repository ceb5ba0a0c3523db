"""The Lambda function ``new-operation``."""

from fanfold.skeleton.operation import OPERATION
from itemkit import lambda_handler

handler = lambda_handler(OPERATION)
