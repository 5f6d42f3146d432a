# The calls that each role may make, by resource. tests/terraform compares this list
# with the calls in the code and with README's table; tests/distributed compares it
# with the calls of running processes.

locals {
  stream = {
    ingest = [
      "kinesis:DescribeStreamSummary",
      "kinesis:ListShards",
      "kinesis:PutRecords",
    ]
    processor = [
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
      # Events of the product itself: dead letters, disabled subscriptions, high backlogs.
      "kinesis:PutRecords",
    ]
    provision = [
      "kinesis:DescribeStreamSummary",
    ]
  }

  # Only if shards push their records: on the stream, and on its consumer.
  fan_out_stream   = ["kinesis:DescribeStreamConsumer", "kinesis:RegisterStreamConsumer"]
  fan_out_consumer = ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"]

  events_table = {
    ingest = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    processor = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    provision = [
      "dynamodb:DescribeTable",
      "dynamodb:DescribeTimeToLive",
    ]
  }

  leases_table = {
    ingest = [
      "dynamodb:DescribeTable",
      "dynamodb:Scan",
    ]
    processor = [
      "dynamodb:DeleteItem",
      "dynamodb:DescribeTable",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ]
    provision = [
      "dynamodb:DescribeTable",
    ]
  }

  deliveries_queue = {
    ingest = [
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SendMessage",
    ]
    processor = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    # It raises the size of messages, which the provider cannot.
    provision = [
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SetQueueAttributes",
    ]
  }

  dead_letters_queue = {
    ingest = [
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SendMessage",
    ]
    processor = [
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SendMessage",
    ]
    provision = [
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SetQueueAttributes",
    ]
  }

  # The program does not call these: services use the key on its behalf.
  key = {
    ingest    = ["kms:Decrypt", "kms:GenerateDataKey"]
    processor = ["kms:Decrypt", "kms:GenerateDataKey"]
    provision = ["kms:Decrypt"]
  }
}
