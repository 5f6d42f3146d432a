output "events_name" {
  description = "The table of events, once it exists."
  value       = aws_dynamodb_table.events.name
}

output "leases_name" {
  description = "The table of leases, once it exists."
  value       = aws_dynamodb_table.leases.name
}

output "events_arn" {
  description = "The ARN of the table of events."
  value       = "${local.prefix}${var.events_name}"
}

output "leases_arn" {
  description = "The ARN of the table of leases."
  value       = "${local.prefix}${var.leases_name}"
}
