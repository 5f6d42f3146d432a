# Valkey: rate limits and idempotency keys of the ingest role.

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_security_group" "this" {
  name        = "${var.name}-cache"
  description = "The cache, for ingest tasks alone"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each                     = var.client_security_groups
  security_group_id            = aws_security_group.this.id
  description                  = "Valkey from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# The default evicts keys when memory is short: a repeated request could then be taken twice.
resource "aws_elasticache_parameter_group" "this" {
  name   = "${var.name}-noeviction"
  family = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV_AWS_31: this provider would keep the token in the state; only ingest tasks reach the port, over TLS, and docs/deploy.md sets a token by hand
  #checkov:skip=CKV2_AWS_50: failover needs two nodes; the production example has them
  replication_group_id = var.name
  description          = "Rate limits and idempotency keys of ${var.name}"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.node_type
  num_cache_clusters   = var.nodes
  port                 = 6379

  automatic_failover_enabled = var.nodes > 1
  multi_az_enabled           = var.nodes > 1

  parameter_group_name = aws_elasticache_parameter_group.this.name
  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [aws_security_group.this.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auto_minor_version_upgrade = true

  # A token that an operator set stays.
  lifecycle {
    ignore_changes = [auth_token, auth_token_update_strategy]
  }
}
