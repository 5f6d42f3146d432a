# For each role of the program: a task role (what the program may do) and an
# execution role (what ECS may do to start it). Neither may make or delete
# anything of the deployment.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  roles     = toset(["ingest", "processor", "provision"])
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  # AWS appends the time of the consumer's registration to its ARN.
  consumer_arn = "${var.stream_arn}/consumer/${var.fan_out_consumer}:*"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
  }
}

resource "aws_iam_role" "task" {
  for_each           = local.roles
  name               = "${var.name}-${each.key}"
  description        = "What the tasks of the role ${each.key} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "task" {
  for_each = local.roles

  statement {
    sid       = "Stream"
    actions   = local.stream[each.key]
    resources = [var.stream_arn]
  }

  dynamic "statement" {
    for_each = each.key == "processor" && var.fan_out_consumer != "" ? [1] : []
    content {
      sid       = "FanOut"
      actions   = local.fan_out_stream
      resources = [var.stream_arn]
    }
  }

  dynamic "statement" {
    for_each = each.key == "processor" && var.fan_out_consumer != "" ? [1] : []
    content {
      sid       = "FanOutConsumer"
      actions   = local.fan_out_consumer
      resources = [local.consumer_arn]
    }
  }

  statement {
    sid       = "Events"
    actions   = local.events_table[each.key]
    resources = [var.events_table_arn]
  }

  statement {
    sid       = "Leases"
    actions   = local.leases_table[each.key]
    resources = [var.leases_table_arn]
  }

  statement {
    sid       = "Deliveries"
    actions   = local.deliveries_queue[each.key]
    resources = [var.deliveries_queue_arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = local.dead_letters_queue[each.key]
    resources = [var.dead_letters_queue_arn]
  }

  statement {
    sid       = "Key"
    actions   = local.key[each.key]
    resources = [var.key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["dynamodb", "kinesis", "sqs"] : "${service}.${local.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "task" {
  for_each = local.roles
  name     = "services"
  role     = aws_iam_role.task[each.key].id
  policy   = data.aws_iam_policy_document.task[each.key].json
}

resource "aws_iam_role" "execution" {
  for_each           = local.roles
  name               = "${var.name}-${each.key}-start"
  description        = "What ECS may do to start tasks of the role ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "execution" {
  for_each = local.roles

  # AWS knows no resource for it: the token is the registry's.
  statement {
    sid       = "Registry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "Image"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.repository_arn]
  }

  statement {
    sid     = "Logs"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    # The streams of the role's own log group.
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/${var.name}/${each.key}:*"]
  }

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = var.secret_arns[each.key]
  }

  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${local.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.roles
  name     = "start"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}
