"""The Lambda function ``image-resize``: the operation, with the memory the function has."""

import os

from functions.image_resize.operation import DEFAULT_MEMORY, image_resize
from itemkit import lambda_handler

memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", DEFAULT_MEMORY))
handler = lambda_handler(image_resize(memory))
