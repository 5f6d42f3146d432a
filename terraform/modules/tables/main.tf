# The tables, as `sluice provision` would make them.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  prefix = join(":", [
    "arn:${data.aws_partition.current.partition}:dynamodb", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "table/",
  ])
}

# Events, facts, dead letters and rows.
resource "aws_dynamodb_table" "events" {
  #checkov:skip=CKV_AWS_28: recovery is the deployment's choice (point_in_time_recovery); the production example has it
  name                        = var.events_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

# Leases and checkpoints, in the format of the Kinesis Client Library.
resource "aws_dynamodb_table" "leases" {
  #checkov:skip=CKV_AWS_28: recovery is the deployment's choice (point_in_time_recovery); the production example has it
  name                        = var.leases_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "leaseKey"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "leaseKey"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}
