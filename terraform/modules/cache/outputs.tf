output "address" {
  description = "The primary's host; it stays the same when a replica takes over."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "replication_group_id" {
  description = "The replication group, once it exists."
  value       = aws_elasticache_replication_group.this.id
}

output "member_clusters" {
  description = "Its nodes, as CloudWatch calls them."
  value       = [for node in range(var.nodes) : format("%s-%03d", var.name, node + 1)]
}
