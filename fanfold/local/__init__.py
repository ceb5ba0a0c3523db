"""The local endpoint: the AWS APIs Fanfold uses, on a laptop, with no AWS account."""
