output "url" {
  description = "Where customers send events to."
  value       = "https://${var.domain}"
}

output "dns_name" {
  description = "The load balancer's own name, for a record elsewhere."
  value       = aws_lb.public.dns_name
}

output "admin_url" {
  description = "The admin API, from the operator's network."
  value       = "https://${local.admin_name}:${local.admin_port}"
}

output "admin_dns_name" {
  description = "The own name of the load balancer with the admin API."
  value       = local.admin_host
}

output "public_security_group_id" {
  description = "The security group that may reach the public API of tasks."
  value       = aws_security_group.public.id
}

output "admin_security_group_id" {
  description = "The security group that may reach the admin API of tasks."
  value       = local.admin_group_id
}

output "api_target_group_arn" {
  description = "The ingest tasks' public API."
  value       = aws_lb_target_group.api.arn
}

output "admin_target_group_arn" {
  description = "The ingest tasks' admin API."
  value       = aws_lb_target_group.admin.arn
}

output "load_balancer" {
  description = "The public load balancer, as CloudWatch calls it."
  value       = aws_lb.public.arn_suffix
}

output "api_target_group" {
  description = "The public API's target group, as CloudWatch calls it."
  value       = aws_lb_target_group.api.arn_suffix
}

# A service may be attached to a target group only once a listener uses it.
output "listeners" {
  description = "The listeners, for a service to wait for."
  value       = [aws_lb_listener.https.arn, aws_lb_listener.admin.arn]
}
