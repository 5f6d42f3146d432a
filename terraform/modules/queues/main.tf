# The queues, as `sluice provision` would make them except for one setting: this
# provider knows no message above 256 KiB. `sluice provision` raises the limit to
# SQS's 1 MiB; until then larger deliveries are split.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  prefix = join(":", [
    "arn:${data.aws_partition.current.partition}:sqs", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "",
  ])
  # Fourteen days, the longest that SQS keeps a message.
  retention_s = 1209600
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = var.dead_letters_name
  message_retention_seconds = local.retention_s
  max_message_size          = 262144
  kms_master_key_id         = var.key_arn
  # One call of KMS in five minutes rather than one for each message.
  kms_data_key_reuse_period_seconds = 300

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

resource "aws_sqs_queue" "deliveries" {
  name                              = var.deliveries_name
  message_retention_seconds         = local.retention_s
  visibility_timeout_seconds        = var.visibility_s
  max_message_size                  = 262144
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300

  # The last net: messages that are not Sluice's go there.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.receives_max
  })

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# AWS's own redrive may move messages back to the queue of deliveries, and nowhere else.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.deliveries.arn]
  })
}
