# Access logs of the load balancers.

data "aws_caller_identity" "current" {}
data "aws_elb_service_account" "this" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account     = data.aws_caller_identity.current.account_id
  bucket      = "${var.name}-logs-${local.account}-${data.aws_region.current.name}"
  bucket_arn  = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
  log_objects = [for prefix in ["admin", "public"] : "${local.bucket_arn}/${prefix}/AWSLogs/${local.account}/*"]
}

resource "aws_s3_bucket" "access_logs" {
  #checkov:skip=CKV_AWS_145: load balancers write to buckets of S3's own encryption alone
  #checkov:skip=CKV_AWS_18: logs of who read the logs would have no end
  #checkov:skip=CKV_AWS_21: logs are written once and expire; older versions would outlive them
  #checkov:skip=CKV_AWS_144: losing access logs with a region loses no event
  #checkov:skip=CKV2_AWS_62: nothing waits for a new log
  bucket        = local.bucket
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "access_logs" {
  bucket                  = aws_s3_bucket.access_logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.log_retention_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "access_logs" {
  # Regions of before August 2022 write as an account, later ones as a service.
  statement {
    sid       = "Write"
    actions   = ["s3:PutObject"]
    resources = local.log_objects
    principals {
      type        = "AWS"
      identifiers = [data.aws_elb_service_account.this.arn]
    }
  }

  statement {
    sid       = "WriteAsService"
    actions   = ["s3:PutObject"]
    resources = local.log_objects
    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  statement {
    sid       = "OverTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.bucket_arn, "${local.bucket_arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "access_logs" {
  bucket = aws_s3_bucket.access_logs.id
  policy = data.aws_iam_policy_document.access_logs.json
}
