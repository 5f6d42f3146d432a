# The load balancer in front of the ingest tasks: the only part of a deployment that
# the Internet reaches.

resource "aws_security_group" "public" {
  name        = "${var.name}-edge"
  description = "The public load balancer"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.public.id
  description       = "HTTPS of customers"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  #checkov:skip=CKV_AWS_260: port 80 answers with a redirect to HTTPS and nothing else
  security_group_id = aws_security_group.public.id
  description       = "HTTP, to be sent on to HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "public" {
  for_each          = toset(var.task_cidrs)
  security_group_id = aws_security_group.public.id
  description       = "The public API of the ingest tasks"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = var.api_port
  to_port           = var.api_port
}

resource "aws_lb" "public" {
  #checkov:skip=CKV2_AWS_28: bodies, rates, connections and waits are bounded by the ingest role; web_acl_arn attaches a web ACL where one is wanted
  #checkov:skip=CKV2_AWS_76: nothing behind it runs Java
  #checkov:skip=CKV_AWS_150: deletion protection is the deployment's choice; the production example has it
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [aws_security_group.public.id]

  # Below the 75 s after which the ingest role closes an unused connection
  # (ingest.http.idle_timeout_ms), so that the load balancer closes first.
  idle_timeout               = 60
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = aws_s3_bucket.access_logs.id
    prefix  = "public"
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.access_logs]
}

resource "aws_wafv2_web_acl_association" "public" {
  count        = var.web_acl_arn == "" ? 0 : 1
  resource_arn = aws_lb.public.arn
  web_acl_arn  = var.web_acl_arn
}

resource "aws_lb_target_group" "api" {
  #checkov:skip=CKV_AWS_378: inside the network, from the load balancer's security group alone; TLS ends at the load balancer
  name        = "${var.name}-api"
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = var.api_port

  load_balancing_algorithm_type = "least_outstanding_requests"
  # Requests end within the drain; streams of events go on elsewhere with their Last-Event-ID.
  deregistration_delay = 30

  # A task that cannot take events leaves rotation and comes back by itself. It is
  # replaced only when it is not ready for 150 s. While no task is ready, the load
  # balancer sends requests to all, and each answers those that it still can.
  health_check {
    path                = "/readyz"
    port                = "traffic-port"
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 10
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.public.arn
  protocol          = "HTTPS"
  port              = 443
  certificate_arn   = local.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.public.arn
  protocol          = "HTTP"
  port              = 80

  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}
