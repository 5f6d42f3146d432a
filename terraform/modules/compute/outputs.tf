output "cluster" {
  description = "The cluster's name."
  value       = aws_ecs_cluster.this.name
}

output "services" {
  description = "The services' names, by role."
  value       = { ingest = aws_ecs_service.ingest.name, processor = aws_ecs_service.processor.name }
}

output "security_group_ids" {
  description = "Security groups of the tasks, by role."
  value       = { for role in local.groups : role => aws_security_group.role[role].id }
}

output "log_groups" {
  description = "Log groups, by role."
  value       = { for role, group in aws_cloudwatch_log_group.role : role => group.name }
}

output "provision_command" {
  description = "Runs `sluice provision` once, which makes and mends the catalogue's schema."
  value = join(" ", [
    "aws ecs run-task --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.role["provision"].family}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${var.subnet_ids[0]}],securityGroups=[${aws_security_group.role["provision"].id}]}'",
  ])
}
