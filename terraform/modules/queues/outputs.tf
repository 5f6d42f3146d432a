output "deliveries_name" {
  description = "The queue of deliveries, once it exists."
  value       = aws_sqs_queue.deliveries.name
}

output "dead_letters_name" {
  description = "The queue of dead letters, once it exists."
  value       = aws_sqs_queue.dead_letters.name
}

output "deliveries_arn" {
  description = "The ARN of the queue of deliveries."
  value       = "${local.prefix}${var.deliveries_name}"
}

output "dead_letters_arn" {
  description = "The ARN of the queue of dead letters."
  value       = "${local.prefix}${var.dead_letters_name}"
}
