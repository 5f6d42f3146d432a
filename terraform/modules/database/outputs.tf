output "address" {
  description = "The database's host."
  value       = aws_db_instance.this.address
}

output "identifier" {
  description = "The instance's name, once it exists."
  value       = aws_db_instance.this.identifier
}
