output "admin_token_arn" {
  description = "The secret with the admin token."
  value       = aws_secretsmanager_secret.this["admin-token"].arn
}

output "sealing_keys_arn" {
  description = "The secret with the keys that webhook secrets are sealed with."
  value       = aws_secretsmanager_secret.this["sealing-keys"].arn
}

output "postgres_password_arn" {
  description = "The secret with the database's password."
  value       = aws_secretsmanager_secret.this["postgres-password"].arn
}

output "admin_token_version_id" {
  description = "The current version of the admin token; it changes with the token, and the tasks with it."
  value       = aws_secretsmanager_secret_version.admin_token.version_id
}

output "postgres_password_version_id" {
  description = "The current version of the password; it changes with the password, and the tasks with it."
  value       = aws_secretsmanager_secret_version.postgres_password.version_id
}

output "stored_postgres_password" {
  description = "The secret's ARN and version, once the password is stored."
  value       = terraform_data.postgres_password.output
}
