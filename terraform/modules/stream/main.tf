# The log: a Kinesis stream, on demand or with a number of shards.
#
# The two modes are two resources, because a provisioned stream's shard_count is
# changed by `sluice provision --shards` and ignored here, and Kinesis refuses the
# change to on-demand with a shard_count. A change of mode makes the stream anew:
# see "Change the stream's mode" in docs/deploy.md before you do it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  arn = join(":", [
    "arn:${data.aws_partition.current.partition}:kinesis", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "stream/${var.name}",
  ])
}

resource "aws_kinesis_stream" "on_demand" {
  count            = var.mode == "on_demand" ? 1 : 0
  name             = var.name
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.key_arn

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_kinesis_stream" "provisioned" {
  count            = var.mode == "provisioned" ? 1 : 0
  name             = var.name
  shard_count      = var.shards
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.key_arn

  stream_mode_details {
    stream_mode = "PROVISIONED"
  }

  lifecycle {
    ignore_changes = [shard_count]
  }
}

# Enhanced fan-out: shards push to this consumer instead of being polled.
resource "aws_kinesis_stream_consumer" "processors" {
  count      = var.fan_out ? 1 : 0
  name       = local.consumer
  stream_arn = one(concat(aws_kinesis_stream.on_demand, aws_kinesis_stream.provisioned)).arn
}

locals {
  consumer = "${var.name}-processors"
}
