# The admin API, only for the operator's network: on a load balancer inside the
# network, reached by a VPN or a peering, or (to try things out) on port 8443 of the
# public load balancer, reached by a list of addresses.

locals {
  admin_port      = 8443
  internal        = var.admin_access == "internal"
  admin_lb_arn    = local.internal ? aws_lb.admin[0].arn : aws_lb.public.arn
  admin_group_id  = local.internal ? aws_security_group.admin[0].id : aws_security_group.public.id
  admin_host      = local.internal ? aws_lb.admin[0].dns_name : aws_lb.public.dns_name
  admin_zone      = local.internal ? aws_lb.admin[0].zone_id : aws_lb.public.zone_id
  admin_name      = local.internal ? "admin.${var.domain}" : var.domain
  admin_san_names = local.internal ? ["admin.${var.domain}"] : []
}

resource "aws_security_group" "admin" {
  count       = local.internal ? 1 : 0
  name        = "${var.name}-admin"
  description = "The admin API's load balancer, inside the network"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "admin" {
  for_each          = toset(var.admin_cidrs)
  security_group_id = local.admin_group_id
  description       = "HTTPS of operators"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = local.admin_port
  to_port           = local.admin_port
}

resource "aws_vpc_security_group_egress_rule" "admin" {
  for_each          = toset(var.task_cidrs)
  security_group_id = local.admin_group_id
  description       = "The admin API of the ingest tasks"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.admin_task_port
  to_port           = var.admin_task_port
}

resource "aws_lb" "admin" {
  #checkov:skip=CKV2_AWS_28: it is inside the network, and operators' addresses alone reach it
  #checkov:skip=CKV2_AWS_76: nothing behind it runs Java
  #checkov:skip=CKV_AWS_150: deletion protection is the deployment's choice; the production example has it
  count              = local.internal ? 1 : 0
  name               = "${var.name}-admin"
  load_balancer_type = "application"
  internal           = true
  subnets            = var.private_subnet_ids
  security_groups    = [aws_security_group.admin[0].id]

  idle_timeout               = 60
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = aws_s3_bucket.access_logs.id
    prefix  = "admin"
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.access_logs]
}

resource "aws_lb_target_group" "admin" {
  #checkov:skip=CKV_AWS_378: inside the network, from the load balancer's security group alone; TLS ends at the load balancer
  name                 = "${var.name}-admin"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.admin_task_port
  deregistration_delay = 30

  health_check {
    path                = "/healthz"
    port                = "traffic-port"
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 10
  }
}

resource "aws_lb_listener" "admin" {
  load_balancer_arn = local.admin_lb_arn
  protocol          = "HTTPS"
  port              = local.admin_port
  certificate_arn   = local.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.admin.arn
  }
}
