output "task_role_arns" {
  description = "What the program of each role may do."
  value       = { for role in local.roles : role => aws_iam_role.task[role].arn }
}

output "execution_role_arns" {
  description = "What ECS may do to start each role."
  value       = { for role in local.roles : role => aws_iam_role.execution[role].arn }
}
