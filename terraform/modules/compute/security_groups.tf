# The connections to the tasks and from the tasks.

locals {
  # The one-off reaches the database and AWS, as the services do.
  groups = toset(["ingest", "processor", "provision"])

  # The roles that post webhooks: processors, and the ingest role for test events that customers ask for.
  webhook_ports = {
    for pair in setproduct(["ingest", "processor"], var.webhook_ports) : "${pair[0]}-${pair[1]}" => { role = pair[0], port = pair[1] }
  }
}

resource "aws_security_group" "role" {
  #checkov:skip=CKV2_AWS_5: the one-off's group is named by the command that runs it, and nothing is attached between runs
  for_each    = local.groups
  name        = "${var.name}-${each.key}"
  description = "Tasks of the role ${each.key}"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.role["ingest"].id
  description                  = "The public API, from the load balancer"
  referenced_security_group_id = var.public_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  security_group_id            = aws_security_group.role["ingest"].id
  description                  = "The admin API, from its load balancer"
  referenced_security_group_id = var.admin_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = local.admin_port
  to_port                      = local.admin_port
}

resource "aws_vpc_security_group_ingress_rule" "scrapers" {
  for_each                     = toset(var.scraper_security_group_ids)
  security_group_id            = aws_security_group.role["processor"].id
  description                  = "/metrics and /readyz of processors, for a Prometheus of the operator's"
  referenced_security_group_id = each.key
  ip_protocol                  = "tcp"
  from_port                    = local.processor_port
  to_port                      = local.processor_port
}

# Services of AWS.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = local.groups
  security_group_id = aws_security_group.role[each.key].id
  description       = "HTTPS: AWS, and webhooks"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "webhooks" {
  for_each          = local.webhook_ports
  security_group_id = aws_security_group.role[each.value.role].id
  description       = "Webhooks to port ${each.value.port}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "data" {
  for_each = {
    for pair in setproduct(["ingest", "processor", "provision"], var.data_cidrs) : "${pair[0]}-${pair[1]}" => { role = pair[0], cidr = pair[1] }
  }
  security_group_id = aws_security_group.role[each.value.role].id
  description       = "Postgres"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_vpc_security_group_egress_rule" "cache" {
  for_each          = toset(var.data_cidrs)
  security_group_id = aws_security_group.role["ingest"].id
  description       = "Valkey"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 6379
  to_port           = 6379
}
