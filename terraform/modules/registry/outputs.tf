data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

output "url" {
  description = "Where images are pushed to."
  value       = aws_ecr_repository.this.repository_url
}

output "arn" {
  description = "The repository's ARN."
  value = join(":", [
    "arn:${data.aws_partition.current.partition}:ecr", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "repository/${var.name}",
  ])
}
